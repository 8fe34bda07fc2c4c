"""What every checker is: a program that looks at objects and says what is wrong with them."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ainode_conformance.kinds.kind import Made
from ainode_conformance.violation import Severity


@dataclass(frozen=True)
class Problem:
    """One thing that a checker said about one object."""

    kind: str
    """Name of the `Made`."""
    subject: str
    """Which of its objects, such as ``seg``."""
    severity: Severity
    text: str
    """The checker's own words, on one line."""


class Checker(Protocol):
    """One program of others, or one of ours."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def missing(self) -> str | None:
        """Why it cannot be used here, or None."""
        ...

    def version(self) -> str:
        """Of the program; only asked where it is not missing."""
        ...

    def subjects(self, made: Made) -> Sequence[str]:
        """Names of the objects that it would look at."""
        ...

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """Everything that it says about the objects, its warnings too."""
        ...


def said(*command: str | Path, folder: Path | None = None) -> str:
    """What a program wrote to its outputs, whatever its exit status."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=300,
    )
    return done.stdout


def lines_of(text: str) -> list[str]:
    """Its lines that hold something, each without white space around it."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def error(made: Made, subject: str, text: str) -> Problem:
    """An error at one object."""
    return Problem(made.name, subject, Severity.ERROR, text)


def in_order(files: Mapping[str, Path]) -> list[str]:
    """Names of objects."""
    return sorted(files)
