"""Writes ``docs/sr-reader.md``: what our reader, and highdicom's, understand of the results that vendors showed at IHE.

Run from the root: ``AINODE_TEST_DATA=... .venv/bin/python benchmarks/sr_reader_table.py`` (with ``PYTHONPATH=tests``).
"""

import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import highdicom
from pydicom import dcmread

from ainode_dicom_sr.reader import read_file
from ainode_dicom_sr.reader_model import ReadObject, ReadReport
from ainode_dicom_sr.reader_table import COLUMNS, notes, row
from peers.shared_data import ROOT, shared_data

PAGE = ROOT / "docs" / "sr-reader.md"
BEGIN, END = "<!-- made by benchmarks/sr_reader_table.py -->", "<!-- end -->"


def files_in(folder: Path) -> list[Path]:
    """The DICOM files of the collection, in the order of the table."""
    return sorted(folder.rglob("*.dcm"), key=lambda path: path.relative_to(folder).as_posix())


def made(folder: Path) -> str:
    """The part of the page that is made from the files in ``folder``."""
    readings = {path.relative_to(folder).as_posix(): read_file(path) for path in files_in(folder)}
    reports = {name: reading for name, reading in readings.items() if isinstance(reading, ReadReport)}
    rows = [(_short(name), *row(reading)) for name, reading in readings.items()]
    parts = [_table(("file", *COLUMNS), rows), _compared(folder, reports), _not_understood(readings)]
    return "\n\n".join([BEGIN, *parts, END])


def written(page: str, part: str) -> str:
    """``page`` with its made part replaced."""
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    return before + part + after


def _short(name: str) -> str:
    """Without the names of the collections, and of files only as much as tells them apart."""
    *folders, file = name.split("/")
    stem = file.removesuffix(".dcm")
    return "/".join([*folders[1:], stem if len(stem) <= 28 else f"{stem[:14]}…{stem[-12:]}"])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def _compared(folder: Path, reports: dict[str, ReadReport]) -> str:
    groups = {name: _highdicom_groups(folder / name) for name in reports}
    refused = [name for name, count in groups.items() if count is None]
    blind = [name for name, count in groups.items() if count == 0]
    ours, theirs = sum(len(report.groups) for report in reports.values()), sum(count or 0 for count in groups.values())
    return (
        f"Of the {len(reports)} reports, `highdicom.sr.srread` {highdicom.__version__} refuses {len(refused)} "
        f"({', '.join(map(_short, refused))}), and finds no group in {len(blind)} more "
        f"({', '.join(map(_short, blind))}): {theirs} groups in all. The reader here finds {ours}."
    )


def _highdicom_groups(path: Path) -> int | None:
    """Measurement groups that highdicom finds; None when it refuses the report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(path)
        if not str(ds.SOPClassUID).endswith((".88.22", ".88.33", ".88.34")):
            return None
        content: Any = highdicom.sr.srread(path).content
        return (
            len(content.get_image_measurement_groups())
            + len(content.get_planar_roi_measurement_groups())
            + len(content.get_volumetric_roi_measurement_groups())
        )


def _not_understood(readings: dict[str, ReadObject]) -> str:
    lines = [f"- {_short(name)}: {line}" for name, reading in readings.items() for line in notes(reading)]
    return "\n".join(["Content items that were not understood, or not wholly:", "", *lines])


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), made(shared_data("ihe-air-results"))), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
