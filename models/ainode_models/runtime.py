"""What runs a model package, and the runtimes that are known."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Protocol, cast, runtime_checkable

from ainode_models.errors import RuntimeUnavailable
from ainode_models.nnunet import NnunetRuntime
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume

__all__ = ["ENTRY_POINTS", "Prediction", "ProbabilisticRuntime", "Runtime", "RuntimeFactory", "runtime_for", "runtimes"]

ENTRY_POINTS = "ainode.runtimes"
"""Entry-point group of third parties: each point is a class or function that makes a `Runtime`."""


class Runtime(Protocol):
    """Runs model packages of one kind; holds at most one loaded model."""

    def is_available(self) -> str | None:
        """None when it can be used, else the reason and what to install."""

    def load(self, package: ModelPackage, device: str) -> None:
        """Verify and load ``package`` on ``device``: ``cpu``, ``cuda`` or ``auto``.

        Raises `PackageError` for a package, `RuntimeUnavailable` for a machine that cannot do it.
        """

    def predict(self, volumes: Mapping[str, Volume]) -> Prediction:
        """Label the volumes, given by the names of the model's inputs, all on one grid.

        Raises `SeriesMismatchError` when an input is missing or the grids differ.
        """

    def unload(self) -> None:
        """Free the model's memory; `load` may follow."""


@runtime_checkable
class ProbabilisticRuntime(Runtime, Protocol):
    """A runtime that keeps the probabilities of voxels on request."""

    def predict_probabilities(self, volumes: Mapping[str, Volume]) -> Prediction:
        """As `Runtime.predict`, with `Prediction.probabilities`."""


RuntimeFactory = Callable[[], Runtime]


def runtimes() -> Mapping[str, RuntimeFactory]:
    """Every known runtime by name.

    Our own come first, and no third party can replace one by taking its name.
    """
    known: dict[str, RuntimeFactory] = {"nnunet": NnunetRuntime}
    for point in entry_points(group=ENTRY_POINTS):
        if point.name not in known:
            known[point.name] = cast(RuntimeFactory, point.load())
    return known


def runtime_for(package: ModelPackage) -> Runtime:
    """A runtime, not loaded yet, for ``package``.

    Raises `RuntimeUnavailable` with the reason, or with the names that are known.
    """
    known, name = runtimes(), package.manifest.runtime
    if name not in known:
        raise RuntimeUnavailable(
            f"{package.folder}: needs the runtime {name!r}; there are: {', '.join(known)}. "
            f"Install the distribution that offers it as an entry point of {ENTRY_POINTS!r}"
        )
    runtime = known[name]()
    reason = runtime.is_available()
    if reason:
        raise RuntimeUnavailable(f"{package.folder}: the runtime {name!r} cannot be used: {reason}")
    return runtime
