"""The models' processes: one for each model, warm while there is memory, and at most so many at work at once."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ainode.route.rule import Priority
from ainode.run.memory_budget import Held, MemoryBudget
from ainode.run.metrics import MODEL_MEMORY, MODEL_PROCESSES, MODEL_PROCESSES_ENDED
from ainode.run.order import Order
from ainode.run.worker import ModelWorker
from ainode.settings.sections import Models
from ainode_models.errors import WorkerCrashed, WorkerTimeout
from ainode_models.package import ModelPackage

log = structlog.get_logger()

_GPU = Path("/dev/nvidiactl")
"""The device through which the processes of this machine, or container, reach a GPU."""

Key = tuple[str, str, str]
"""Folder, SHA-256 of the weights and name of the profile: what makes a version of a model."""


@dataclass(frozen=True)
class Limits:
    """What the processes may use."""

    processes: int = 1
    """Calls that are served side by side. One on a CPU: inference uses all cores."""
    memory: MemoryBudget = field(default_factory=MemoryBudget)
    idle: float = 600.0
    """Seconds without a call after which a process ends."""

    @classmethod
    def of(cls, models: Models) -> "Limits":
        """Those of the settings' section ``[models]``."""
        with_gpu = models.device != "cpu" and _GPU.exists()
        return cls(models.processes or (2 if with_gpu else 1), MemoryBudget(models.memory), models.idle)


@dataclass(frozen=True, eq=False)
class _Turn:
    """One call that waits."""

    key: Key
    priority: int


class ModelWorkers:
    """A process for each model that was asked for, until its memory is needed or nobody asks any more."""

    def __init__(
        self,
        *,
        device: str,
        timeout: float,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._timeout = timeout
        self._limits = limits or Limits()
        self._clock = clock
        self._changed = threading.Condition()
        self._workers: dict[Key, ModelWorker] = {}  # the least recently used first
        self._used: dict[Key, float] = {}
        self._held: dict[Key, Held] = {}  # after its last call, also of those that have ended
        self._waiting: list[_Turn] = []
        self._order = Order()
        self._busy: set[Key] = set()

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each model, ``name@version``, whose process lives."""
        with self._changed:
            return {worker.name: worker.pid for worker in self._workers.values() if worker.pid is not None}

    def predict(
        self,
        package: ModelPackage,
        inputs: Path,
        output: Path,
        *,
        explain: str | None = None,
        probabilities: bool = False,
        lacking: Sequence[str] = (),
        priority: int = Priority.ROUTINE,
    ) -> float:
        """Run the model of ``package`` on the file ``inputs`` and write ``output``.

        ``explain``: the explanation that a classifier is to give. ``probabilities``: keep them for every label and
        voxel. ``lacking``: what the answer is to say that it lacks. Waits for its turn, by ``priority`` as `Order`
        says. Returns the seconds that the model itself computed. Raises what the model raised, of the same kind,
        ``WorkerTimeout``, or ``WorkerCrashed`` when the process ended twice; after the last two the next call starts a
        new process.
        """
        more: dict[str, object] = {"explain": explain} if explain is not None else {}
        if probabilities:
            more["probabilities"] = True
        if lacking:
            more["lacking"] = list(lacking)
        with self._turn(package, priority) as worker:
            try:
                return worker.predict(inputs, output, **more)
            except WorkerCrashed as crash:
                MODEL_PROCESSES_ENDED.labels(why="crash").inc()
                log.warning("model process crashed", model=worker.name, reason=str(crash))
                self._make_way()
                return _once_more(worker, inputs, output, more)
            except WorkerTimeout:
                MODEL_PROCESSES_ENDED.labels(why="timeout").inc()
                raise

    def end_idle(self) -> int:
        """End the processes that nobody called for long; returns how many."""
        with self._changed:
            long_ago = self._clock() - self._limits.idle
            old = [key for key in self._idle() if self._used[key] <= long_ago]
            for key in old:
                self._end(key, why="idle")
            self._count()
        return len(old)

    def stop(self) -> None:
        """End all processes, each after the call that it serves."""
        with self._changed:
            workers = list(self._workers.values())
        for worker in workers:
            worker.stop()

    @contextmanager
    def _turn(self, package: ModelPackage, priority: int) -> Iterator[ModelWorker]:
        """The model's worker, for one call at a time."""
        turn = _Turn((str(package.folder), package.weights_sha256, package.profile.name), priority)
        worker = self._take(turn, package)
        try:
            yield worker
        finally:
            self._give_back(turn.key)

    def _take(self, turn: _Turn, package: ModelPackage) -> ModelWorker:
        with self._changed:
            self._waiting.append(turn)
            try:
                self._changed.wait_for(lambda: self._may_go(turn))
                self._order.went(turn, self._free())
            finally:
                self._waiting.remove(turn)
            self._busy.add(turn.key)
            worker = self._worker(turn.key, package)
            self._workers[turn.key] = worker
            self._changed.notify_all()  # the next in the row may go, too
        return worker

    def _worker(self, key: Key, package: ModelPackage) -> ModelWorker:
        worker = self._workers.pop(key, None)
        if worker and worker.package != package:  # the same weights, but model.toml says something else of them
            worker.stop()
            worker = None
        return worker or ModelWorker(package, device=self._device, timeout=self._timeout)

    def _give_back(self, key: Key) -> None:
        with self._changed:
            self._busy.remove(key)
            self._used[key] = self._clock()
            self._held[key] = self._workers[key].held
            self._room_for(Held(), keep=1)
            self._count()
            self._changed.notify_all()

    def _may_go(self, turn: _Turn) -> bool:
        """In their order, but nobody waits for a call that itself waits for its model."""
        if turn.key in self._busy or len(self._busy) >= self._limits.processes:
            return False
        if self._order.first(self._free()) is not turn:
            return False
        worker = self._workers.get(turn.key)
        is_warm = worker is not None and worker.pid is not None
        return is_warm or self._room_for(self._held.get(turn.key, Held())) or not self._busy

    def _free(self) -> list[_Turn]:
        """Those that wait, but not for a call of their own model, in the order of arrival."""
        return [turn for turn in self._waiting if turn.key not in self._busy]

    def _room_for(self, new: Held, *, keep: int = 0) -> bool:
        """End idle processes, the least recently used first, until ``new`` fits in or only ``keep`` remain."""
        while not self._limits.memory.holds([new, *(worker.held for worker in self._workers.values())]):
            idle = self._idle()
            if len(idle) <= keep:
                return False
            self._end(idle[0], why="memory")
        return True

    def _make_way(self) -> None:
        """End what is idle: what killed a process is often a lack of memory."""
        with self._changed:
            for key in self._idle():
                self._end(key, why="memory")

    def _idle(self) -> list[Key]:
        return [key for key in self._workers if key not in self._busy]

    def _end(self, key: Key, *, why: str) -> None:
        worker = self._workers.pop(key)
        self._used.pop(key, None)
        pid = worker.pid
        worker.stop()
        if pid is not None:
            MODEL_PROCESSES_ENDED.labels(why=why).inc()
            log.info("model process ended", pid=pid, model=worker.name, why=why)

    def _count(self) -> None:
        """Show in the metrics what there is."""
        held = [worker.held for worker in self._workers.values() if worker.pid is not None]
        MODEL_PROCESSES.set(len(held))
        MODEL_MEMORY.labels(of="machine").set(sum(each.machine for each in held))
        MODEL_MEMORY.labels(of="gpu").set(sum(each.gpu for each in held))


def _once_more(worker: ModelWorker, inputs: Path, output: Path, more: dict[str, object]) -> float:
    """The call again, in a fresh process: somebody may have killed the first."""
    try:
        return worker.predict(inputs, output, **more)
    except WorkerCrashed as crash:
        MODEL_PROCESSES_ENDED.labels(why="crash").inc()
        raise WorkerCrashed(f"{crash}, for the second time in one call") from crash
