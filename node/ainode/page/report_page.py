"""One page for people: whose it is, how the run ended, what was found, and what made it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode.page import wording
from ainode.page.band import band
from ainode.page.identity import Identity
from ainode.page.paper import BLACK, GREY, HEIGHT, INNER, MARGIN, WHITE, WIDTH, Paper, line_height
from ainode.page.table import least_height, table
from ainode.page.wording import Both, Verdict, verdict_of
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.source import decoded_header, local_time
from ainode_models.findings import Findings

_LEAST_PICTURE = 55.0
"""Millimetres that pictures are high at least."""
_GAP = 4.0
_CAUTION = (255, 236, 179)
"""Behind what says that a result is partial."""
_NAME_SIZES = (10.0, 8.5, 7.0)
"""Points of what says whose page it is: the first at which it fits, so that long names are there in full."""


@dataclass(frozen=True)
class Figure:
    """A picture on the page."""

    pixels: NDArray[np.uint8]
    """``(rows, columns, 3)``, RGB."""
    title: Both


def report_page(findings: Findings, source: Dataset, figures: Sequence[Figure], *, equipment: Equipment) -> bytes:
    """PDF of one A4 page, text that can be searched and copied, fonts embedded; the same run gives the same bytes.

    ``source`` is the header of an image of the patient; up to two ``figures`` are shown.
    """
    header = decoded_header(source)
    algorithm = findings.algorithm
    paper = Paper(
        title=f"{wording.TITLE.en}, preliminary, unverified: {algorithm.name} {algorithm.version}",
        producer=f"{equipment.model_name} {equipment.software_versions[0]}",
        made=findings.started_at,
    )
    verdict = verdict_of(findings)
    y = _heading(paper, findings, equipment)
    y = _identity(paper, Identity.of(header, paper.writable), y + 2)
    y = band(paper, verdict, y + _GAP)
    if findings.partial:
        y = _partial(paper, findings, y + 1.5)
    bottom = _footer(paper, findings, equipment, local_time(findings.started_at, header)) - _GAP
    if findings.analysed:
        _result(paper, findings, figures[:2], y + _GAP, bottom=bottom)
    else:
        _reason(paper, findings, verdict, y + 2 * _GAP)
    return paper.finished()


def _partial(paper: Paper, findings: Findings, y: float) -> float:
    """Below the band, whose outcome stands; gives its lower end."""
    said = paper.fitting(f"{wording.LACKING}: {'; '.join(findings.lacking)}", INNER - 6, size=8, lines=2)
    head = [wording.PARTIAL.en, wording.PARTIAL.es]
    height = len(head) * line_height(10) + len(said) * line_height(8) + 4
    paper.box(MARGIN, y, INNER, height, fill=_CAUTION, edge=BLACK)
    top = paper.write(MARGIN + 3, y + 1.5, head, size=10, bold=True, colour=BLACK)
    paper.write(MARGIN + 3, top, said, size=8, colour=BLACK)
    return y + height


def _heading(paper: Paper, findings: Findings, equipment: Equipment) -> float:
    y = paper.write(MARGIN, 10, str(wording.TITLE), size=15, bold=True)
    site = equipment.institution_name or equipment.station_name or ""
    paper.write(WIDTH - MARGIN, 11, paper.fitting(site, 60, size=9), size=9, colour=GREY, align=1)
    model = f"{findings.algorithm.name} {findings.algorithm.version}"
    y = paper.write(MARGIN, y, paper.fitting(model, INNER, size=10), size=10, colour=GREY) + 1.5
    lines = [line for text in (wording.STATUS.en, wording.STATUS.es) for line in _status_lines(paper, text)]
    height = len(lines) * line_height(8) + 3
    paper.box(MARGIN, y, INNER, height, fill=(45, 45, 45))
    paper.write(MARGIN + 3, y + 1.5, lines, size=8, bold=True, colour=WHITE)
    return y + height


def _status_lines(paper: Paper, text: str) -> list[str]:
    return paper.fitting(text, INNER - 6, size=8, bold=True, lines=2)


def _identity(paper: Paper, who: Identity, y: float) -> float:
    """Two rows of three; the name stands out."""
    cells = (
        (wording.PATIENT, who.name, wording.PATIENT_ID, who.patient_id, wording.BIRTH_DATE, who.birth_date),
        (wording.STUDY, who.study, wording.ACCESSION, who.accession, wording.SEX, who.sex),
    )
    paper.box(MARGIN, y, INNER, 21, edge=GREY)
    columns = ((MARGIN + 3, 78.0), (MARGIN + 85, 52.0), (MARGIN + 140, 43.0))
    for row, (a, b, c, d, e, f) in enumerate(cells):
        for (x, width), label, value in zip(columns, (a, c, e), (b, d, f), strict=True):
            top = paper.write(x, y + 1.5 + 9.8 * row, str(label), size=6.5, colour=GREY)
            size = next((s for s in _NAME_SIZES if paper.width_of(value, size=s, bold=True) <= width), _NAME_SIZES[-1])
            paper.write(x, top, paper.fitting(value, width, size=size, bold=True), size=size, bold=True)
    return y + 21


def _result(paper: Paper, findings: Findings, figures: Sequence[Figure], y: float, *, bottom: float) -> None:
    remarks = _remark_lines(paper, findings)
    below = len(remarks) * line_height(8) + (5 if remarks else 0)
    pictured = _LEAST_PICTURE if figures else 0
    room = bottom - below - pictured
    y = table(paper, findings, y, bottom=max(room, y + min(least_height(findings), 40)))
    if remarks:
        top = paper.write(MARGIN, y + 2, str(wording.REMARKS), size=7.5, bold=True)
        y = paper.write(MARGIN, top, remarks, size=8)
    _pictures(paper, figures, y + _GAP, bottom=bottom)


def _remark_lines(paper: Paper, findings: Findings) -> list[str]:
    found = [line for text in findings.remarks for line in paper.fitting(f"• {text}", INNER, size=8, lines=2)]
    return found if len(found) <= 5 else [*found[:4], "…"]


def _pictures(paper: Paper, figures: Sequence[Figure], y: float, *, bottom: float) -> None:
    width = (INNER - _GAP) / 2
    left = MARGIN if len(figures) > 1 else MARGIN + (INNER - width) / 2
    for number, figure in enumerate(figures):
        x = left + number * (width + _GAP)
        lower = paper.picture(figure.pixels, x, y, width=width, height=bottom - y - 10)
        titles = [*paper.fitting(figure.title.en, width, size=8), *paper.fitting(figure.title.es, width, size=8)]
        paper.write(x + width / 2, lower + 1, titles, size=8, align=0.5)


def _reason(paper: Paper, findings: Findings, verdict: Verdict, y: float) -> None:
    y = paper.write(MARGIN, y, str(wording.REASON), size=10, bold=True)
    lines = paper.fitting(findings.failure or str(wording.UNKNOWN), INNER, size=11, lines=8)
    y = paper.write(MARGIN, y + 1, lines, size=11) + 2 * _GAP
    y = paper.write(MARGIN, y, str(wording.WHAT_TO_DO), size=10, bold=True) + 1
    for text in (wording.ADVICE[verdict].en, wording.ADVICE[verdict].es):
        y = paper.write(MARGIN, y, paper.fitting(text, INNER, size=10, lines=3), size=10, colour=BLACK) + 1


def _footer(paper: Paper, findings: Findings, equipment: Equipment, started: datetime) -> float:
    """At the lower edge; gives its upper end."""
    algorithm = findings.algorithm
    cells = (
        (wording.MODEL, f"{algorithm.name} {algorithm.version}"),
        (wording.STARTED, f"{started:%Y-%m-%d %H:%M:%S %z}"),
        (wording.MAKER, algorithm.manufacturer),
        (wording.NODE, f"{equipment.manufacturer}, {equipment.model_name} {equipment.software_versions[0]}"),
        (wording.WEIGHTS, algorithm.weights_sha256[:16]),
        (wording.RUN, findings.run_id),
    )
    texts = [
        *paper.fitting(f"{wording.USE}: {algorithm.intended_use}", INNER, size=7.5, lines=2),
        *paper.fitting(f"{wording.DISCLAIMER}: {algorithm.disclaimer}", INNER, size=7.5, bold=True, lines=3),
    ]
    step = line_height(7.5)
    top = HEIGHT - 9 - step * (len(texts) + 3) - 3
    paper.line(top)
    for number, (label, value) in enumerate(cells):
        row, column = divmod(number, 2)
        x = MARGIN + column * INNER / 2
        line = paper.fitting(f"{label}: {value}", INNER / 2 - 3, size=7.5)
        paper.write(x, top + 1.5 + row * step, line, size=7.5, colour=GREY)
    paper.write(MARGIN, top + 2.5 + 3 * step, texts, size=7.5)
    return top
