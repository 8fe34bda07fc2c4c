"""Which run goes first, and what is done beside what: with the real workflows, in the order of events."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dbos._dbos import _get_or_create_dbos_registry

from ainode.journal.database import open_database
from ainode.journal.runs import OpenRun, RunJournal, RunSpec
from ainode.route.rule import Priority
from ainode.run.gate import Gate
from ainode.run.line import Line
from ainode.run.order import MOST_IN_A_ROW, Order
from ainode.run.workflow import RunQueue, RunWorkflow

URGENT, ROUTINE, LOW = (int(each) for each in Priority)


@dataclass(frozen=True, eq=False)
class One:
    """Something that waits."""

    priority: int


def run(name: str, priority: int = ROUTINE, *, rule: str = "r") -> OpenRun:
    return OpenRun(f"{name} {rule}", priority, name, rule, "queued")


def test_the_most_urgent_goes_first_and_of_equals_the_one_that_came_first() -> None:
    low, first, second, urgent = One(LOW), One(ROUTINE), One(ROUTINE), One(URGENT)
    assert Order().first([low, first, second, urgent]) is urgent
    assert Order().first([low, first, second]) is first
    assert Order().first([low]) is low


@pytest.mark.parametrize("waits", [ROUTINE, LOW])
def test_of_many_urgent_ones_only_some_in_a_row_overtake_the_one_that_waits_longest(waits: int) -> None:
    order, patient, other = Order(), One(waits), One(waits)
    went = []
    for _ in range(2 * MOST_IN_A_ROW + 2):
        waiting = [each for each in (patient, other) if each not in went] + [One(URGENT)]
        went.append(order.first(waiting))
        order.went(went[-1], waiting)
    assert [place for place, each in enumerate(went) if each.priority == waits] == [
        MOST_IN_A_ROW,
        2 * MOST_IN_A_ROW + 1,
    ]


def test_runs_begin_ahead_of_the_model_as_far_as_there_are_places_and_an_urgent_one_in_any_case() -> None:
    line = Line(models=1)
    under_way = [run("a"), run("b")]
    assert line.next([run("c"), run("d")], under_way) == run("c")
    under_way.append(run("c"))
    assert line.next([run("d")], under_way) is None
    assert line.next([run("d", LOW)], under_way) is None
    for name in ("u", "v", "w"):
        urgent = run(name, URGENT)
        assert line.next([run("d"), urgent], under_way) == urgent
        under_way.append(urgent)
    assert line.next([run("d"), run("x", URGENT)], under_way) is None
    assert Line(models=2).next([run("d")], [run("a"), run("b"), run("c")]) == run("d")


def test_a_run_that_replaces_another_waits_for_its_end_and_holds_up_no_other() -> None:
    """Beside it, it would find no report to withdraw."""
    later, other_rule = run("a"), run("a", rule="s")
    assert Line(1).next([later], [run("a")]) is None
    assert Line(1).next([later, other_rule], [run("a")]) == other_rule
    assert Line(1).next([later], []) == later


class Watched:
    """Stages that say what they do, and go on when they may; the model is one, and takes its calls by priority."""

    def __init__(self, runs: RunJournal) -> None:
        self.done: list[tuple[str, str]] = []
        self.held: set[tuple[str, str]] = set()
        self._runs = runs
        self._changed = threading.Condition()
        self._model = Gate()

    def prepare(self, run_id: str) -> None:
        """See ``Stages``."""
        self._do("prepare", run_id)

    def infer(self, run_id: str) -> float:
        """See ``Stages``."""
        with self._model.turn(self._runs.get(run_id).spec.priority):
            self._do("infer", run_id)
        return 0.0

    def encode(self, run_id: str) -> None:
        """See ``Stages``."""
        self._do("encode", run_id)
        self._runs.finished(run_id, outcome="findings", reason=None, objects=[])

    def fail(self, run_id: str, reason: str, *, refused: bool = False) -> None:
        """See ``Stages``."""
        self._runs.finished(run_id, outcome="failed", reason=reason, objects=[])

    def let_go(self, *steps: tuple[str, str]) -> None:
        """End the wait of these steps."""
        with self._changed:
            self.held -= set(steps)
            self._changed.notify_all()

    def names(self, step: str) -> list[str]:
        """Of the runs that came to a step, in their order."""
        return [name for which, name in self.done if which == step]

    def _do(self, step: str, run_id: str) -> None:
        name = self._runs.get(run_id).study_uid
        with self._changed:
            self.done.append((step, name))
            assert self._changed.wait_for(lambda: (step, name) not in self.held, timeout=40)


class Node:
    """The queue of a node, with its journal."""

    def __init__(self, folder: Path) -> None:
        # DBOS keeps one workflow object for a process, and another test may have had its own.
        _get_or_create_dbos_registry().instance_info_map.clear()
        self.engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
        self.runs = RunJournal(self.engine, time.time)
        self.stages = Watched(self.runs)
        self.announced: list[str] = []
        workflow = RunWorkflow(self.stages, self.runs, lambda _row: None)
        self.queue = RunQueue(
            workflow,
            self.runs,
            database_url=f"sqlite:///{folder / 'workflows.sqlite'}",
            register=lambda run_id: self.announced.append(self.runs.get(run_id).study_uid),
        )

    def add(self, *names: str, priority: int = ROUTINE) -> None:
        """Runs on the studies of these names."""
        for name in names:
            spec = RunSpec(name, "r", "m", "1", "ab", {"T1": (name,)}, ("sr",), (), priority)
            assert self.runs.create(spec)

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Let the queue look at the journal until the condition holds."""
        deadline = time.monotonic() + 40
        while not condition():
            self.queue.step()
            assert time.monotonic() < deadline, self.stages.done
            time.sleep(0.01)

    def turn_until_done(self, step: str, name: str) -> None:
        """The same, until a run has come to a step."""
        self.turn_until(lambda: (step, name) in self.stages.done)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    node.queue.start()
    yield node
    node.stages.let_go(*node.stages.held)
    node.turn_until(lambda: not node.runs.unfinished())
    node.queue.stop()
    node.engine.dispose()
    _get_or_create_dbos_registry().instance_info_map.clear()


def test_the_next_study_is_read_while_the_model_works_and_the_last_encoded_while_it_works_at_the_next(
    node: Node,
) -> None:
    node.stages.held = {("infer", "a"), ("encode", "a"), ("infer", "b")}
    for name in ("a", "b", "c"):
        node.add(name)
        node.turn_until_done("prepare", name)
    node.add("d")
    assert node.stages.names("infer") == ["a"]
    node.stages.let_go(("infer", "a"))
    node.turn_until(lambda: {("encode", "a"), ("infer", "b")} <= set(node.stages.done))
    assert node.stages.names("prepare") == ["a", "b", "c"], "no further ahead than there is room"
    node.turn_until(lambda: len(node.announced) == 4)
    node.stages.let_go(("encode", "a"))
    node.turn_until_done("prepare", "d")
    assert node.stages.names("infer") == ["a", "b"]


def test_an_urgent_run_begins_at_once_and_is_the_next_that_the_model_sees(node: Node) -> None:
    node.stages.held = {("infer", "a")}
    for name in ("a", "b", "c"):
        node.add(name)
        node.turn_until_done("prepare", name)
    node.add("d")
    node.add("stat", priority=URGENT)
    node.turn_until_done("prepare", "stat")
    assert "d" not in node.stages.names("prepare")
    node.turn_until(lambda: len(node.stages._model._waiting) == 3)
    node.stages.let_go(("infer", "a"))
    node.turn_until(lambda: not node.runs.unfinished())
    assert node.stages.names("infer")[:2] == ["a", "stat"]


def test_a_routine_run_goes_on_however_many_urgent_ones_come(node: Node) -> None:
    node.stages.held = {("infer", "first")}
    node.add("first", priority=URGENT)
    node.turn_until_done("infer", "first")
    node.add("routine")
    node.add(*(f"urgent {number:02}" for number in range(30)), priority=URGENT)
    node.turn_until_done("prepare", "urgent 01")
    node.stages.let_go(("infer", "first"))
    node.turn_until(lambda: not node.runs.unfinished())
    place = node.stages.names("infer").index("routine")
    assert MOST_IN_A_ROW <= place <= 3 * MOST_IN_A_ROW, "overtaken in the line, and perhaps again before the model"


def test_what_was_under_way_when_the_node_ended_goes_on_in_its_place(node: Node) -> None:
    node.add("a", "b", "c", "d")
    for name in ("c", "d"):  # as a node leaves them that is killed
        (row,) = node.runs.of_study(name)
        assert node.runs.started(row.run_id)
    node.stages.held = {("infer", "c"), ("infer", "d")}
    node.turn_until(lambda: len(node.stages.names("prepare")) == 3)
    assert set(node.stages.names("prepare")) == {"c", "d", "a"}
