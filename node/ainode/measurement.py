"""The one format of every measurement: benches, fault runs and the demonstration write and print it."""

import json
import operator
import os
import platform
import re
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from rich.table import Table

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured value; a peer's own value is a row of its own."""

    metric: str
    """Name, in snake_case, that stays the same from version to version."""
    value: float | str
    unit: str
    """UCUM, such as ``s``, ``mm``, ``1`` for a ratio or a count; empty for text."""
    peer: str | None = None
    """Program and version that the value is compared with."""
    goal: str | None = None
    """What the value should be, for people to read."""
    holds: bool | None = None
    """Whether it is so; None without a goal."""

    @classmethod
    def judged(cls, metric: str, value: float, *, unit: str, goal: str, peer: str | None = None) -> Self:
        """A row whose ``goal`` is a bound such as ``>= 2.5``, ``< 100`` or ``= 0``; ValueError when it is none."""
        bound = re.fullmatch(r"(<=|>=|<|>|=) (-?\d+(?:\.\d+)?)", goal)
        if bound is None:
            raise ValueError(f"goal {goal!r} of {metric} is no bound such as '>= 2.5'")
        holds = _HOLDS[bound[1]](value, float(bound[2]))
        return cls(metric=metric, value=value, unit=unit, peer=peer, goal=goal, holds=holds)


@dataclass(frozen=True)
class Machine:
    """What a measurement ran on."""

    cpu: str
    cores: int
    """Cores that this process may use."""
    memory_gib: float
    os: str
    python: str

    @classmethod
    def this(cls) -> Self:
        """The machine that runs this process."""
        return cls(
            cpu=_cpu(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            os=_os(),
            python=platform.python_version(),
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """The rows of one program's run, with all that is needed to judge and repeat them."""

    name: str
    rows: tuple[Row, ...]
    measured_at: datetime
    """With its zone."""
    commit: str
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether no row misses its goal."""
        return all(row.holds is not False for row in self.rows)

    def write(self, path: Path) -> None:
        """Write JSON, folders included; ValueError for NaN and infinity, which JSON does not know."""
        text = json.dumps(
            asdict(self) | {"measured_at": self.measured_at.isoformat()}, indent=2, ensure_ascii=False, allow_nan=False
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    def table(self) -> Table:
        """The same rows for the terminal; without goals where no row has one."""
        table = Table(title=self.name, caption=f"{self.machine.cpu}, {self.machine.cores} cores, {self.commit}")
        table.add_column("metric", overflow="fold")  # a name that is cut off may be that of another row
        table.add_column("value", justify="right", overflow="fold")
        judged = any(row.goal for row in self.rows)
        for heading in ("unit", "peer", *(("goal", "holds") if judged else ())):
            table.add_column(heading)
        for row in self.rows:
            holds = {None: "", True: "[green]yes", False: "[bold red]NO"}[row.holds]
            cells = (row.metric, _shown(row.value), row.unit, row.peer)
            table.add_row(*cells, *((row.goal, holds) if judged else ()))
        return table


def commit_of(folder: Path) -> str:
    """Commit that ``folder`` is checked out at, ``-dirty`` after uncommitted changes; ``unknown`` outside of git."""
    describe = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        done = subprocess.run(describe, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.is_file() else None
    return named[1] if named else platform.machine()


def _os() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _shown(value: float | str) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 or value == 0 else f"{value:.2e}"
    return value if isinstance(value, str) else f"{value:,}"
