"""How fast one package runs on this machine: each of its profiles, its own framework, and several users at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from ainode.bench.agreement import agreement
from ainode.bench.framework import framework_name, framework_of
from ainode.bench.timed import AS_TRAINED, Request, Timed
from ainode.bench.users import Served, served
from ainode.measurement import Row
from ainode.run.image_file import save_radiographs
from ainode.run.volume_file import save_volumes
from ainode.run.workers import ModelWorkers
from ainode_models.errors import ModelError, PackageError
from ainode_models.package import ModelPackage
from ainode_models.profile import Profile
from ainode_models.sample_files import sample_radiographs, sample_volumes
from ainode_models.volume import Volume

FRAMEWORK = "framework"
TRAINED = "as_trained"


@dataclass(frozen=True)
class Measured:
    """What `ModelBench` saw."""

    ways: Mapping[str, Timed]
    """By the name of the way: `FRAMEWORK`, `TRAINED`, and the profiles of the package."""
    users: Mapping[int, Served]
    rows: tuple[Row, ...]
    """All of it in the one format."""


@dataclass(frozen=True)
class ModelBench:
    """Measures ``package`` on ``case``, or its own sample."""

    package: ModelPackage
    device: str
    """``cpu``, ``cuda`` or ``auto``."""
    work: Path
    """An empty folder for inputs and answers."""
    rounds: int
    users: Sequence[int]
    tell: Callable[[str], None] = lambda _said: None
    """Hears of each figure as it comes."""
    case: Mapping[str, Volume] | None = None
    """By the name of the input, for a model that segments; None for the sample."""

    def measure(self) -> Measured:
        """Raises `PackageError` without a sample, and what the model raises.

        A framework that is not there, or fails, gives a row ``framework`` that says so.
        """
        inputs = self._inputs()
        framework = framework_of(self.package.manifest.runtime)
        ways, lacking = self._all_timed(framework, inputs)
        workers = ModelWorkers(device=self.device, timeout=3600)
        try:
            users = served(self.package, inputs, workers, users=self.users, each=self.rounds)
        finally:
            workers.stop()
        for count, seen in users.items():
            self.tell(f"{count} at once: {seen.cases_per_s:.2f} cases/s")
        rows = (*lacking, *self._speed(ways, framework), *self._agreement(ways, framework), *_users(users))
        return Measured(ways, users, rows)

    def _ways(self, framework: str | None) -> Iterator[tuple[str, str | None]]:
        """Names, and profiles as `Request` takes them."""
        if framework:
            yield FRAMEWORK, None
        yield TRAINED, AS_TRAINED
        yield from ((name, name) for name, each in self.package.manifest.profiles.items() if each != Profile())

    def _all_timed(self, framework: str | None, inputs: Path) -> tuple[Mapping[str, Timed], list[Row]]:
        ways = {}
        wrong = "" if framework else f"{framework_name(self.package.manifest.runtime)} is not installed"
        for name, profile in self._ways(framework):
            try:
                ways[name] = self._timed(name, profile, inputs)
            except ModelError as error:
                if name != FRAMEWORK:
                    raise
                wrong = f"does not run it: {error}"
        if wrong:
            self.tell(f"the framework itself: {wrong}")
        return ways, [Row(metric=FRAMEWORK, value=wrong, unit="", peer=framework)] if wrong else []

    def _timed(self, name: str, profile: str | None, inputs: Path) -> Timed:
        request = Request(
            str(self.package.folder), profile, self.device, str(inputs), str(self._answer(name)), self.rounds
        )
        timed = request.timed()
        self.tell(f"{name}: {median(timed.seconds):.2f} s, {timed.peak_mb:.0f} MB, on {timed.device}")
        return timed

    def _inputs(self) -> Path:
        package, inputs = self.package, self.work / "inputs.npz"
        if self.case is not None:
            save_volumes(inputs, self.case)
            return inputs
        if package.manifest.sample is None:
            raise PackageError(f"{package.folder}: brings no sample to be measured on; see docs/models.md")
        if package.manifest.classes:
            save_radiographs(inputs, sample_radiographs(package, package.manifest.sample))
        else:
            save_volumes(inputs, sample_volumes(package, package.manifest.sample))
        return inputs

    def _answer(self, name: str) -> Path:
        return self.work / f"answer-{name}.npz"

    def _speed(self, ways: Mapping[str, Timed], framework: str | None) -> Iterator[Row]:
        for name, timed in ways.items():
            peer = framework if name == FRAMEWORK else None
            yield Row(metric=f"{name}_s", value=round(median(timed.seconds), 4), unit="s", peer=peer)
            yield Row(metric=f"{name}_load_s", value=timed.load_s, unit="s", peer=peer)
            yield Row(metric=f"{name}_peak_mb", value=timed.peak_mb, unit="MB", peer=peer)
            if timed.gpu_peak_mb is not None:
                yield Row(metric=f"{name}_gpu_peak_mb", value=timed.gpu_peak_mb, unit="MB", peer=peer)
            for net, seconds in timed.nets_s.items():
                yield Row(metric=f"{name}_{net}_s", value=seconds, unit="s", peer=peer)
        if FRAMEWORK in ways:
            theirs = median(ways[FRAMEWORK].seconds)
            for name in _own(ways):
                ratio = round(theirs / median(ways[name].seconds), 2)
                yield Row(metric=f"{name}_ratio", value=ratio, unit="1", peer=framework)
                for net, seconds in ways[name].nets_s.items():
                    ratio = round(ways[FRAMEWORK].nets_s[net] / seconds, 2)
                    yield Row(metric=f"{name}_{net}_ratio", value=ratio, unit="1", peer=framework)

    def _agreement(self, ways: Mapping[str, Timed], framework: str | None) -> Iterator[Row]:
        """As trained beside the framework, profiles beside as trained."""
        for name in _own(ways):
            peer, said = (FRAMEWORK, framework) if name == TRAINED else (TRAINED, "as trained")
            if peer in ways and said:
                yield from agreement(self.package, self._answer(peer), self._answer(name), name=name, peer=said)


def _own(ways: Mapping[str, Timed]) -> list[str]:
    """The ways of this node."""
    return [name for name in ways if name != FRAMEWORK]


def _users(users: Mapping[int, Served]) -> Iterator[Row]:
    for count, seen in users.items():
        yield Row(metric=f"users_{count}_cases_per_s", value=round(seen.cases_per_s, 4), unit="/s")
        if seen.seconds:
            yield Row(metric=f"users_{count}_p95_s", value=round(float(np.percentile(seen.seconds, 95)), 3), unit="s")
        yield Row(metric=f"users_{count}_errors", value=seen.errors, unit="1")
