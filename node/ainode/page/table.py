"""The table of what was found, and of what was looked for and not found."""

from collections.abc import Sequence
from dataclasses import dataclass

from ainode.page import wording
from ainode.page.paper import GREY, INNER, MARGIN, Colour, Paper, line_height
from ainode.page.wording import Both
from ainode_fhir.wording import percent
from ainode_models.comparison import change_ml, is_compared, signed
from ainode_models.digits import reported
from ainode_models.findings import ClassFinding, Decision, Findings, Prior, Segment

_ROW = 5.6
_HEAD = 8.4
_SIZE = 8.5

_Column = tuple[Both, str, float]
"""Name, unit, and share of the width."""
_COMPARED: Sequence[_Column] = (
    (wording.LABEL, "", 0.23),
    (wording.VOLUME_THEN, "mL", 0.16),
    (wording.VOLUME_NOW, "mL", 0.15),
    (wording.CHANGE, "mL", 0.11),
    (wording.DIAMETER, "mm", 0.21),
    (wording.CONFIDENCE, "%", 0.14),
)


@dataclass(frozen=True)
class _Row:
    cells: tuple[str, ...]
    swatch: Colour | None = None
    bold: bool = False


def table(paper: Paper, findings: Findings, y: float, *, bottom: float) -> float:
    """Draw it from ``y`` down, and above ``bottom``; gives its lower end. Rows that do not fit are counted."""
    columns, rows = _classes(findings.classes) if findings.classes else _segments(findings)
    widths = [share * (INNER - 5) for _, _, share in columns]
    y = _heads(paper, columns, widths, y)
    room = max(int((bottom - 10 - y) / _ROW), 1)
    shown = rows if len(rows) <= room else rows[: room - 1]
    for row in shown:
        y = _row(paper, row, widths, y)
    if more := len(rows) - len(shown):
        y = paper.write(MARGIN + 5, y + 1, f"+ {more} {wording.MORE}", size=_SIZE, colour=GREY) + 1
    y = _absent(paper, findings, y) if findings.present or findings.prior else y
    return _prior(paper, findings.prior, y) if findings.prior else y


def _segments(findings: Findings) -> tuple[Sequence[_Column], list[_Row]]:
    if findings.prior:
        return _COMPARED, [_compared(each) for each in _listed(findings)]
    if not findings.present:
        rows = [_Row((each.label, str(wording.ABSENT))) for each in findings.segments]
        return ((wording.LABEL, "", 0.4), (wording.RESULT, "", 0.6)), rows
    columns = (
        (wording.LABEL, "", 0.4),
        (wording.VOLUME, "mL", 0.18),
        (wording.DIAMETER, "mm", 0.24),
        (wording.CONFIDENCE, "%", 0.18),
    )
    return columns, [_segment(each) for each in sorted(findings.present, key=lambda each: -each.volume_ml)]


def _segment(segment: Segment) -> _Row:
    return _Row((segment.label, f"{segment.volume_ml:.1f}", *_sizes(segment)), swatch=segment.color)


def _compared(segment: Segment) -> _Row:
    """What is not there now has volume 0, and no swatch."""
    then, change = segment.prior_volume_ml, change_ml(segment)
    cells = (
        segment.label,
        "-" if then is None else f"{reported(then):.1f}",
        f"{reported(segment.volume_ml):.1f}",
        "-" if change is None else signed(change),
        *_sizes(segment),
    )
    return _Row(cells, swatch=segment.color if segment.voxels else None)


def _sizes(segment: Segment) -> tuple[str, str]:
    diameter, confidence = segment.longest_diameter, segment.confidence
    return (
        f"{diameter.length_mm:.1f}" if diameter else "-",
        "-" if confidence is None else f"{100 * confidence:.0f}",
    )


def _listed(findings: Findings) -> Sequence[Segment]:
    """What is there now, or was then: the largest now first."""
    listed = [each for each in findings.segments if each.voxels or is_compared(each)]
    return sorted(listed, key=lambda each: -each.volume_ml)


def _classes(classes: Sequence[ClassFinding]) -> tuple[Sequence[_Column], list[_Row]]:
    rows = [
        _Row(
            (
                item.label,
                str(wording.DECISIONS[item.decision]),
                percent(item.probability),
            ),
            bold=item.decision is not Decision.ABSENT,
        )
        for item in sorted(classes, key=lambda item: -item.probability)
    ]
    return ((wording.CLASS, "", 0.26), (wording.DECISION, "", 0.6), (wording.PROBABILITY, "", 0.14)), rows


def _heads(paper: Paper, columns: Sequence[_Column], widths: Sequence[float], y: float) -> float:
    paper.box(MARGIN, y, INNER, _HEAD, fill=(228, 232, 238))
    x = MARGIN + 5
    for (name, unit, _), width in zip(columns, widths, strict=True):
        lower = paper.write(x, y + 0.9, f"{name.en} ({unit})" if unit else name.en, size=7.5, bold=True)
        paper.write(x, lower, name.es, size=7.5)
        x += width
    return y + _HEAD


def _row(paper: Paper, row: _Row, widths: Sequence[float], y: float) -> float:
    if row.swatch is not None:
        paper.box(MARGIN + 1, y + 1.2, 3, 3, fill=row.swatch, edge=GREY)
    x = MARGIN + 5
    for cell, width in zip(row.cells, widths, strict=True):
        line = paper.fitting(cell, width - 1, size=_SIZE, bold=row.bold)
        paper.write(x, y + 1.1, line, size=_SIZE, bold=row.bold)
        x += width
    paper.line(y + _ROW)
    return y + _ROW


def _absent(paper: Paper, findings: Findings, y: float) -> float:
    labels = ", ".join(segment.label for segment in findings.segments if not segment.voxels)
    if not labels:
        return y
    lines = paper.fitting(f"{wording.NOT_FOUND}: {labels}", INNER, size=_SIZE, lines=2)
    return paper.write(MARGIN, y + 1.5, lines, size=_SIZE)


def _prior(paper: Paper, prior: Prior, y: float) -> float:
    lines = paper.fitting(f"{wording.COMPARED}: {wording.prior_study(prior)}", INNER, size=_SIZE, lines=2)
    return paper.write(MARGIN, y + 1.5, lines, size=_SIZE)


def least_height(findings: Findings) -> float:
    """Millimetres that the whole table would take."""
    listed = len(_listed(findings)) if findings.prior else len(findings.present)
    rows = len(findings.classes) or listed or len(findings.segments)
    absent = findings.present and len(findings.present) < len(findings.segments)
    below = bool(absent) + bool(findings.prior)
    return _HEAD + rows * _ROW + below * (2 * line_height(_SIZE) + 2)
