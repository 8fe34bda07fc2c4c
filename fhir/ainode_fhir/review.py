"""What a human decided about the result of a run."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ainode_models.errors import InputError
from ainode_models.findings import Findings

Verdict = Literal["accepted", "edited", "rejected"]


@dataclass(frozen=True)
class Reviewer:
    """A human, named by an identifier."""

    system: str
    """URI of the identifier system."""
    value: str
    name: str = ""
    """As people read it; empty when it was not given."""

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.name} ({self.value})" if self.name else self.value


@dataclass(frozen=True)
class Struck:
    """A finding that does not count."""

    number: int
    """Of the segment or class."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Review:
    """One verdict; the last one on a run counts."""

    run_id: str
    number: int
    """1, 2, ... for one run."""
    verdict: Verdict
    reviewer: Reviewer
    reviewed_at: datetime
    """With zone."""
    reason: str = ""
    comment: str = ""
    struck: tuple[Struck, ...] = ()

    @property
    def stands(self) -> bool:
        """Whether a human answers for the result: no later run may withdraw it."""
        return self.verdict != "rejected"


def labels(findings: Findings) -> dict[int, str]:
    """Everything that can be struck: the label of each segment or class, by its number."""
    segments = {item.number: item.label for item in findings.segments}
    return segments | {item.number: item.label for item in findings.classes}


def check_review(verdict: Verdict, *, reason: str, struck: tuple[Struck, ...], findings: Findings) -> None:
    """Whether a verdict on ``findings`` can be taken; InputError says why not."""
    numbers = [item.number for item in struck]
    known = set(labels(findings))
    if not findings.analysed:
        raise InputError("the run failed or was refused: there is no result that could be reviewed")
    if verdict == "rejected" and not reason.strip():
        raise InputError("a rejection needs a reason")
    if (verdict == "edited") != bool(struck):
        raise InputError("findings are struck by an edit, and an edit strikes one finding at least")
    if len(set(numbers)) != len(numbers) or not known.issuperset(numbers):
        raise InputError(f"each finding is struck once, by its number; there are {', '.join(map(str, sorted(known)))}")
    if not all(item.reason.strip() for item in struck):
        raise InputError("each finding that is struck needs a reason")
    if known and known == set(numbers):
        raise InputError("nothing would be left of the result: reject it")
