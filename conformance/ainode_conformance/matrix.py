"""What every checker says of every kind: the engine of the program."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ainode_conformance.checkers.allowance import Allowance
from ainode_conformance.checkers.allowed import ALLOWED
from ainode_conformance.checkers.checker import Checker, Problem
from ainode_conformance.kinds.kind import Made


@dataclass
class Cell:
    """One checker on the objects of one kind."""

    objects: int = 0
    """How many it looked at."""
    errors: list[Problem] = field(default_factory=list)
    """What is not allowed, warnings too."""
    allowed: int = 0


@dataclass(frozen=True)
class Column:
    """One checker on all kinds."""

    checker: str
    version: str
    seconds: float
    cells: dict[str, Cell]
    """By kind."""
    allowed: Counter[Allowance]
    """How often each allowance was needed."""

    @property
    def errors(self) -> int:
        """Of all kinds."""
        return sum(len(cell.errors) for cell in self.cells.values())


def column(
    checker: Checker,
    made: Sequence[Made],
    *,
    allowances: Sequence[Allowance] = ALLOWED,
    clock: Callable[[], float] = time.monotonic,
) -> Column:
    """Run one checker, which is not missing."""
    started = clock()
    cells: dict[str, Cell] = defaultdict(Cell)
    for each in made:
        cells[each.name].objects = len(checker.subjects(each))
    used: Counter[Allowance] = Counter()
    for problem in checker.check(made):
        allowance = next((one for one in allowances if one.covers(checker.name, problem)), None)
        if allowance is None:
            cells[problem.kind].errors.append(problem)
        else:
            cells[problem.kind].allowed += 1
            used[allowance] += 1
    return Column(checker.name, checker.version(), clock() - started, dict(cells), used)
