"""The models' processes: warm, side by side, within their memory; killed ones are replaced and no call is lost."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ainode.run.memory_budget import Held, MemoryBudget, machine_memory, resident_memory
from ainode.run.volume_file import load_prediction, save_volumes
from ainode.run.workers import Limits, ModelWorkers
from ainode.settings.sections import Models
from ainode_models.errors import ModelError, OutOfMemory, WorkerCrashed
from ainode_models.memory import ON_CPU
from ainode_models.package import ModelPackage
from ainode_models.volume import Volume
from peers.probe_runtime import install_probe, probe_package

SHAPE = (3, 4, 5)


class Workers(ModelWorkers):
    """Workers with a clock that the test turns."""

    def __init__(self, limits: Limits, device: str = "cpu") -> None:
        self.now = 0.0
        super().__init__(device=device, timeout=120, limits=limits, clock=lambda: self.now)

    def ask(self, package: ModelPackage, inputs: Path, output: Path | None = None) -> tuple[str, ...]:
        """The remarks of the model's answer: its name, its device, its process."""
        output = output or inputs.with_name("answer.npz")
        self.predict(package, inputs, output)
        return load_prediction(output).remarks


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Workers]]:
    """Workers whose processes know the runtime ``probe``."""
    probe = install_probe(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(probe), os.environ.get("PYTHONPATH", "")]))
    made: list[Workers] = []

    def make(limits: Limits | None = None, device: str = "cpu") -> Workers:
        made.append(Workers(limits or Limits(), device))
        return made[-1]

    yield make
    for workers in made:
        workers.stop()


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    save_volumes(tmp_path / "inputs.npz", {"T1": Volume(np.zeros(SHAPE, np.float32), np.eye(4), "1.2")})
    return tmp_path / "inputs.npz"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def all_known(workers: Workers, calls: int) -> bool:
    return len(workers._waiting) + len(workers._busy) == calls


def at_least(answers: list[int], count: int) -> bool:
    return len(answers) >= count


def test_a_model_that_dies_once_answers_and_one_that_dies_again_fails_the_call(
    make: Callable[..., Workers], inputs: Path, tmp_path: Path
) -> None:
    workers = make()
    once, ever = probe_package(tmp_path, "once", "dies once"), probe_package(tmp_path, "ever", "dies")
    pid = workers.ask(once, inputs)[2]
    with pytest.raises(WorkerCrashed, match=r"exit code -9 .*, for the second time in one call"):
        workers.ask(ever, inputs)
    assert workers.pids == {}, "what killed it may have been a lack of memory: idle models made way"
    assert workers.ask(once, inputs)[2] != pid


def test_the_model_that_was_not_used_for_longest_ends_when_the_memory_is_used_up(
    make: Callable[..., Workers], inputs: Path, tmp_path: Path
) -> None:
    first, second, third = (probe_package(tmp_path, name, megabytes=200) for name in ("a", "b", "c"))
    measuring = make()
    measuring.ask(first, inputs)
    one = resident_memory(measuring.pids["a@1.0.0"])
    assert one > 200 << 20
    measuring.stop()
    workers = make(Limits(memory=MemoryBudget(2.5 * one)))
    for package in (first, second, third):
        workers.ask(package, inputs)
    assert list(workers.pids) == ["b@1.0.0", "c@1.0.0"]
    kept = workers.pids["b@1.0.0"]
    workers.ask(second, inputs)
    workers.ask(first, inputs)
    assert list(workers.pids) == ["b@1.0.0", "a@1.0.0"]
    assert workers.pids["b@1.0.0"] == kept
    small = make(Limits(memory=MemoryBudget(1_000_000)))
    assert small.ask(first, inputs)[0] == "a@1.0.0", "alone, a model may have what it takes"
    assert small.ask(second, inputs)[0] == "b@1.0.0"
    assert list(small.pids) == ["b@1.0.0"]


def test_a_model_beside_another_waits_for_its_memory(
    make: Callable[..., Workers], inputs: Path, tmp_path: Path
) -> None:
    busy, other = probe_package(tmp_path, "busy", "waits"), probe_package(tmp_path, "other")
    workers = make(Limits(processes=2, memory=MemoryBudget(1_000_000)))
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(workers.ask, busy, inputs, tmp_path / "long.npz")
        wait_for((busy.folder / "waits").exists)
        short = pool.submit(workers.ask, other, inputs, tmp_path / "short.npz")
        wait_for(lambda: len(workers._waiting) == 1)
        assert list(workers.pids) == ["busy@1.0.0"]
        (busy.folder / "go").touch()
        assert long.result(120)[0] == "busy@1.0.0"
        assert short.result(120)[0] == "other@1.0.0"
    assert list(workers.pids) == ["other@1.0.0"]


@pytest.mark.parametrize("processes", [1, 2])
def test_as_many_models_work_side_by_side_as_are_allowed(
    make: Callable[..., Workers], inputs: Path, tmp_path: Path, processes: int
) -> None:
    packages = [probe_package(tmp_path, name, "waits") for name in ("a", "b")]
    calls = [packages[0], packages[0], packages[1]]
    workers = make(Limits(processes=processes))
    with ThreadPoolExecutor(3) as pool:
        answers = []
        for number, package in enumerate(calls):
            answers.append(pool.submit(workers.ask, package, inputs, tmp_path / f"{number}.npz"))
            wait_for(partial(all_known, workers, number + 1))
        wait_for((packages[0].folder / "waits").exists)
        if processes == 2:
            wait_for((packages[1].folder / "waits").exists)
        assert len(workers._busy) == processes
        assert len(workers._waiting) == 3 - processes
        for package in packages:
            (package.folder / "go").touch()
        assert [answer.result(120)[0] for answer in answers] == ["a@1.0.0", "a@1.0.0", "b@1.0.0"]


def test_an_urgent_call_goes_before_those_that_wait_for_the_model(
    make: Callable[..., Workers], inputs: Path, tmp_path: Path
) -> None:
    package = probe_package(tmp_path, "a", "waits")
    workers = make()
    answered: list[str] = []

    def call(name: str, priority: int) -> None:
        workers.predict(package, inputs, tmp_path / f"{name}.npz", priority=priority)
        answered.append(name)

    with ThreadPoolExecutor(4) as pool:
        for number, (name, priority) in enumerate([("first", 10), ("low", 100), ("routine", 10), ("urgent", 1)]):
            pool.submit(call, name, priority)
            wait_for(partial(all_known, workers, number + 1))
        wait_for((package.folder / "waits").exists)
        (package.folder / "go").touch()
    assert answered == ["first", "urgent", "routine", "low"]


def test_a_process_ends_when_nobody_called_for_long_and_when_its_manifest_changed(
    make: Callable[..., Workers], inputs: Path, tmp_path: Path
) -> None:
    workers = make(Limits(idle=600))
    old, new = probe_package(tmp_path, "old"), probe_package(tmp_path, "new")
    workers.ask(old, inputs)
    workers.now = 500
    workers.ask(new, inputs)
    assert workers.end_idle() == 0
    workers.now = 600
    assert workers.end_idle() == 1
    assert list(workers.pids) == ["new@1.0.0"]
    pid = workers.pids["new@1.0.0"]
    manifest = new.folder / "model.toml"
    manifest.write_text(manifest.read_text().replace('mood = "works"', 'mood = "lacks memory"'))
    with pytest.raises(OutOfMemory, match=r"needs more memory than there is \(MemoryError: Unable to allocate 4"):
        workers.ask(ModelPackage.open(new.folder), inputs)
    assert workers.pids["new@1.0.0"] != pid


def test_what_lacks_memory_on_the_gpu_runs_on_the_cpu_and_says_so(
    make: Callable[..., Workers], inputs: Path, tmp_path: Path
) -> None:
    workers = make(device="auto")
    package = probe_package(tmp_path, "large", "lacks gpu memory")
    for _ in range(2):
        said = workers.ask(package, inputs)
        assert (said[:2], said[3:]) == (("large@1.0.0", "cpu"), (ON_CPU,))
        assert load_prediction(inputs.with_name("answer.npz")).device == "cpu"
    with pytest.raises(ModelError, match="keeps no probabilities of voxels"):
        workers.predict(package, inputs, tmp_path / "answer.npz", probabilities=True)


def test_forty_calls_while_processes_are_killed_are_all_answered_by_their_own_model(
    make: Callable[..., Workers], inputs: Path, tmp_path: Path
) -> None:
    packages = [probe_package(tmp_path, name, "takes a moment") for name in ("left", "right")]
    workers = make(Limits(processes=2))
    answered: list[int] = []
    rounds: list[int] = []
    killed: set[int] = set()
    chance = random.Random(4)

    def call(number: int) -> str:
        wait_for(partial(at_least, rounds, number // 3 - 2))  # the calls are not over before the killing is
        said = workers.ask(packages[number % 2], inputs, tmp_path / f"{number}.npz")
        answered.append(int(said[2]))
        return said[0]

    def kill() -> None:
        """Kill, after every third answer, a process that has answered: one that repeats a call has not, yet."""
        for count in range(3, 37, 3):
            wait_for(partial(at_least, answered, count))
            if alive := sorted(set(workers.pids.values()) & set(answered)):
                victim = chance.choice(alive)
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed.add(victim)
            rounds.append(count)

    killer = threading.Thread(target=kill)
    with ThreadPoolExecutor(8) as pool:
        killer.start()
        answers = list(pool.map(call, range(40)))
    killer.join(120)
    assert answers == [f"{packages[number % 2].manifest.name}@1.0.0" for number in range(40)]
    assert len(rounds) == 12
    assert len(killed) >= 3


def test_budgets_are_shares_or_bytes_of_the_machine_and_of_the_gpu_each() -> None:
    assert MemoryBudget(0.5).of(1000) == 500
    assert MemoryBudget(2_000_000).of(1000) == 2_000_000
    assert resident_memory(os.getpid()) < machine_memory()
    half = MemoryBudget(0.5)
    assert half.holds([Held(1, 3, 10), Held(1, 2, 10)])
    assert not half.holds([Held(1, 3, 10), Held(1, 3, 10)])
    assert not half.holds([Held(machine_memory(), 0, 10)])
    assert Limits.of(Models(device="cpu")) == Limits(1, MemoryBudget(0.7), 600.0)
    assert Limits.of(Models(processes=3, memory=4e9, idle=5.0)) == Limits(3, MemoryBudget(4e9), 5.0)
