"""Whose image a file is: from ``patients.csv``, from the file's name, or not known."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ainode_models.errors import ConfigError, InputError

PATIENTS = "patients.csv"
_STRATA = ("sex", "age", "site", "view")
_BANDS = ((18, "0-17"), (40, "18-39"), (60, "40-59"), (80, "60-79"), (1000, "80 and older"))


@dataclass(frozen=True)
class Patient:
    """Whose image it is, as far as a split and the tables of subgroups need it."""

    id: str
    strata: Mapping[str, str]
    """``sex``, ``age`` (a band of years), ``site``, ``view``: those that are known."""


class PatientBook(Protocol):
    """Tells the patient of an image."""

    @property
    def by_patient(self) -> bool:
        """False when every image has to stand for a patient of its own."""

    def of(self, file: PurePosixPath) -> Patient:
        """The patient of the image at ``file``, relative to the data; raises `InputError` when it is not known."""


@dataclass(frozen=True)
class EachImage:
    """Nothing is known: every image is taken for a patient of its own."""

    by_patient: bool = False

    def of(self, file: PurePosixPath) -> Patient:
        """A patient with this image only."""
        return Patient(str(file), {})


@dataclass(frozen=True)
class NamePattern:
    """The patient stands in the name of the file."""

    pattern: re.Pattern[str]
    """Its first group is the patient, or all of it when it has none."""
    by_patient: bool = True

    def of(self, file: PurePosixPath) -> Patient:
        """The part of the name that the pattern finds."""
        found = self.pattern.search(file.name)
        if found is None:
            raise InputError(
                f"--patient-pattern {self.pattern.pattern!r} finds nothing in the name of an image of {file.parent}; "
                "widen it until it finds the patient in every name"
            )
        return Patient(found.group(1 if self.pattern.groups else 0), {})


@dataclass(frozen=True)
class PatientList:
    """The lines of ``patients.csv``."""

    file: Path
    lines: Mapping[str, Patient]
    """By path relative to the data, or by bare file name."""
    by_patient: bool = True

    def of(self, file: PurePosixPath) -> Patient:
        """The patient on the line of this image."""
        found = self.lines.get(str(file)) or self.lines.get(file.name)
        if found is None:
            raise InputError(
                f"{self.file}: has no line for an image of {file.parent}; add one for every image, "
                "with its path relative to the data or its bare name in the column 'file'"
            )
        return found


def patients_of(data: Path, pattern: str | None) -> PatientBook:
    """What is known of the patients of ``data``: ``patients.csv`` there, or a regular expression on file names.

    Raises `ConfigError` for a pattern that is none, `InputError` for a list that cannot be read.
    """
    if (data / PATIENTS).is_file():
        return _read(data / PATIENTS)
    if pattern is None:
        return EachImage()
    try:
        return NamePattern(re.compile(pattern))
    except re.error as exc:
        raise ConfigError(f"--patient-pattern {pattern!r} is no regular expression: {exc}") from exc


def _read(file: Path) -> PatientList:
    lines: dict[str, Patient] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if not {"file", "patient"} <= set(rows.fieldnames or ()):
                raise InputError(f"{file}: needs the columns file and patient, and may have {', '.join(_STRATA)}")
            for row in rows:
                lines[PurePosixPath(row["file"].strip()).as_posix()] = _patient(file, row, rows.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise InputError(f"{file}: cannot be read as CSV in UTF-8: {exc}") from exc
    return PatientList(file, lines)


def _patient(file: Path, row: Mapping[str, str | None], line: int) -> Patient:
    identifier = (row["patient"] or "").strip()
    if not identifier:
        raise InputError(f"{file}, line {line}: the column patient is empty; every image needs one")
    known = {key: (row.get(key) or "").strip() for key in _STRATA}
    strata = {key: _band(file, value, line) if key == "age" else value for key, value in known.items() if value}
    return Patient(identifier, strata)


def _band(file: Path, age: str, line: int) -> str:
    years = re.fullmatch(r"0*(\d{1,3})Y?(?:\.\d+)?", age)
    if years is None:
        raise InputError(f"{file}, line {line}: the age must be whole years such as 45 or 045Y")
    return next(name for end, name in _BANDS if int(years[1]) < end)
