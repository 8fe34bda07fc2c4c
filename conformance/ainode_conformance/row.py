"""The vocabulary in which PS3.16 writes a template: rows, inclusions, value sets (PS3.16 section 6.1)."""

from dataclasses import dataclass
from typing import Literal

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ainode_conformance.condition import Condition

Need = Literal["M", "MC", "U", "UC"]
"""Requirement Type (PS3.16 6.1.7). MC and UC say nothing here: a `Condition` beside the row does."""

CONTAINS = "CONTAINS"
PROPERTY = "HAS PROPERTIES"
CONTEXT = "HAS OBS CONTEXT"
ACQUISITION = "HAS ACQ CONTEXT"
MODIFIER = "HAS CONCEPT MOD"
INFERRED = "INFERRED FROM"
SELECTED = "SELECTED FROM"

_CLOSED = frozenset({244, 270, 271, 6047})
"""Context groups in use here that PS3.16 declares Non-Extensible."""


@dataclass(frozen=True)
class Cid:
    """A context group as value set."""

    number: int
    binding: Literal["D", "B"] = "D"
    """D for DCID, defined; B for BCID, a mere suggestion (PS3.3 Table 5.6-1)."""

    def holds(self, code: Code) -> bool:
        """True for a member, a mere suggestion, and a context group that pydicom does not list, such as languages."""
        collection = getattr(codes, f"cid{self.number}", None)
        return self.binding == "B" or collection is None or code in collection

    @property
    def closed(self) -> bool:
        """Other values are wrong, not an extension."""
        return self.number in _CLOSED

    def __str__(self) -> str:
        return f"CID {self.number}"


@dataclass(frozen=True)
class Row:
    """One row of a template, with those nested below it."""

    row: str
    """Its number in the table of PS3.16."""
    relation: str
    """Relationship with the parent; empty in a template that takes it from where it is included."""
    types: str
    """Value type, or several with a space between."""
    name: Code | Cid | None = None
    """Concept name; None where the table leaves it open."""
    need: Need = "U"
    vm: str = "1"
    """``1`` or ``1-n``."""
    values: Code | Cid | None = None
    """Value set of a CODE, or units of a NUM."""
    rows: tuple["Row | Include", ...] = ()
    rules: tuple[Condition, ...] = ()
    """Conditions among ``rows``."""


@dataclass(frozen=True)
class Include:
    """A row that stands for the rows of another template."""

    row: str
    relation: str
    tids: tuple[str, ...]
    """The included template, or several where the content of the item decides which one it follows."""
    need: Need = "U"
    vm: str = "1"


@dataclass(frozen=True)
class Template:
    """One template of PS3.16; none that matters here depends on the order of its rows."""

    tid: str
    rows: tuple[Row | Include, ...]
    extensible: bool = True
    rules: tuple[Condition, ...] = ()
    """Conditions among ``rows``."""
