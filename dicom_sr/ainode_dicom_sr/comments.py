"""Comments of a report, which people read; written and read back in one place, so that neither changes alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType

from ainode_models.comparison import comparison
from ainode_models.findings import Findings, Outcome

_REASONS: Mapping[Outcome, str] = MappingProxyType(
    {Outcome.REFUSED: "The images were refused: ", Outcome.FAILED: "The analysis failed: "}
)
_NOT_NEGATIVE = "This is not a negative result: the images have not been analysed."
_LACKING = "Asked for, but not made: "
_INTENDED_USE = "Intended use: "
_NOT_VERIFIED = "Made by software and not verified by a physician."
_COMPARED = re.compile(r"Compared with the study of (\d{4}-\d\d-\d\d) \(version (.+?), run (.+?)\): ", re.DOTALL)
"""Begins what `ainode_models.comparison.comparison` says."""


@dataclass(frozen=True)
class Said:
    """What the comments of one report say."""

    failure: str | None
    lacking: tuple[str, ...]
    remarks: tuple[str, ...]
    """With what is said of the prior at their end, where there is one."""
    disclaimer: str
    intended_use: str


def comments(findings: Findings) -> Iterable[str]:
    """Values of (121106, DCM, "Comment"): a failure, what lacks, remarks, the comparison, and what all must know."""
    algorithm = findings.algorithm
    if findings.failure is not None:
        yield f"{_REASONS[findings.outcome]}{findings.failure}"
        yield _NOT_NEGATIVE
    yield from (f"{_LACKING}{each}" for each in findings.lacking)
    yield from findings.remarks
    compared = comparison(findings)
    if compared is not None:
        yield compared
    yield algorithm.disclaimer
    yield f"{_INTENDED_USE}{algorithm.intended_use}"
    yield _NOT_VERIFIED


def said_in(texts: Sequence[str], outcome: Outcome, *, partial: bool) -> Said | None:
    """What `comments` were written from; None when they are not ours. A run that is ``partial`` lacks something."""
    reason = _REASONS.get(outcome)
    first = 2 if reason else 0
    *others, disclaimer, intended_use, last = texts if len(texts) >= first + 3 else ("", "", "")
    if last != _NOT_VERIFIED or not intended_use.startswith(_INTENDED_USE):
        return None
    if reason and not (others[0].startswith(reason) and others[1] == _NOT_NEGATIVE):
        return None
    lacking = tuple(takewhile(lambda text: text.startswith(_LACKING), others[first:])) if partial else ()
    if partial and not lacking:
        return None
    return Said(
        failure=others[0].removeprefix(reason) if reason else None,
        lacking=tuple(text.removeprefix(_LACKING) for text in lacking),
        remarks=tuple(others[first + len(lacking) :]),
        disclaimer=disclaimer,
        intended_use=intended_use.removeprefix(_INTENDED_USE),
    )


def compared_in(text: str) -> tuple[str, str, str] | None:
    """Date of the study, version and run of the prior that a comment names; None for any other comment."""
    found = _COMPARED.match(text)
    return None if found is None else (found[1], found[2], found[3])
