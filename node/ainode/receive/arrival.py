"""The names of objects in the folder ``new`` of the spool: when each came, then a name that nobody can guess."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_STEM = re.compile(r"(\d{20})-([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True)
class Arrival:
    """One object that came, by C-STORE."""

    at: int
    """Ns since 1970."""
    name: str
    """32 hexadecimal digits."""

    @property
    def file_name(self) -> str:
        """Sorts by time."""
        return f"{self.at:020d}-{self.name}.dcm"

    @property
    def seconds(self) -> float:
        """Since 1970."""
        return self.at * 1e-9

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """The arrival that a file is named for; None for a stranger's."""
        found = _STEM.fullmatch(path.stem)
        return cls(int(found[1]), found[2]) if found else None
