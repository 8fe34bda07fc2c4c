"""Several users who ask one model at once, each again as soon as it has its answer."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ainode.run.workers import ModelWorkers
from ainode_models.errors import ModelError
from ainode_models.package import ModelPackage


@dataclass(frozen=True)
class Served:
    """What so many users saw."""

    cases_per_s: float
    """Answers in all, over the time from the first question to the last answer."""
    seconds: Sequence[float]
    """That each answer took, its wait included."""
    errors: int


def served(
    package: ModelPackage, inputs: Path, workers: ModelWorkers, *, users: Sequence[int], each: int
) -> Mapping[int, Served]:
    """Ask through ``workers``, as the node does, for so many ``users`` in turn; ``each`` of them asks so often.

    The answers lie beside ``inputs`` afterwards. One question before all makes the process warm.
    """
    workers.predict(package, inputs, inputs.with_name("warm.npz"))
    return {count: _served(package, inputs, workers, users=count, each=each) for count in users}


def _served(package: ModelPackage, inputs: Path, workers: ModelWorkers, *, users: int, each: int) -> Served:
    def user(number: int) -> list[float | None]:
        return [_asked(package, inputs, workers, output=inputs.with_name(f"user{number}.npz")) for _ in range(each)]

    start = time.perf_counter()
    with ThreadPoolExecutor(users) as pool:
        took = [seconds for one in pool.map(user, range(users)) for seconds in one]
    whole = time.perf_counter() - start
    seconds = [each for each in took if each is not None]
    return Served(len(seconds) / whole, seconds, len(took) - len(seconds))


def _asked(package: ModelPackage, inputs: Path, workers: ModelWorkers, *, output: Path) -> float | None:
    """Seconds until the answer; None when there was an error instead."""
    start = time.perf_counter()
    try:
        workers.predict(package, inputs, output)
    except ModelError:
        return None
    return time.perf_counter() - start
