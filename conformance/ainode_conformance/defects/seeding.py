"""Putting a defect into the objects of a kind, and seeing who finds it."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydicom import config, dcmread
from pydicom.dataset import Dataset

from ainode_conformance.checkers.checker import Checker
from ainode_conformance.kinds.kind import Made, bundle_of
from ainode_conformance.matrix import column
from ainode_dicom_sr.objects import encoded


@dataclass(frozen=True)
class Defect:
    """One rule that is broken on purpose."""

    rule: str
    """What is wrong, in words or as our own checker names it."""
    kind: str
    """Name of the kind that it is put into."""
    subjects: tuple[str, ...]
    """Names of the objects that ``change`` is given: data sets, or bundles as JSON."""
    change: Callable[..., None]


@dataclass(frozen=True)
class Seeded:
    """A defect and the checkers that found it."""

    defect: Defect
    found_by: tuple[str, ...]


def seeded(defects: Sequence[Defect], made: Sequence[Made], checkers: Sequence[Checker], folder: Path) -> list[Seeded]:
    """Seed each defect in a copy, and run every checker on the copies."""
    by_name = {each.name: each for each in made}
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")  # the values are wrong, as they should be
        copies = [
            _copy(defect, by_name[defect.kind], folder / f"defect-{number:03}")
            for number, defect in enumerate(defects, start=1)
        ]
        columns = [column(checker, copies) for checker in checkers] if copies else []
    return [
        Seeded(defect, tuple(one.checker for one in columns if one.cells[copy.name].errors))
        for defect, copy in zip(defects, copies, strict=True)
    ]


def _copy(defect: Defect, made: Made, folder: Path) -> Made:
    folder.mkdir()
    before = {name: _read(made.files[name]) for name in defect.subjects}
    after = {name: _read(made.files[name]) for name in defect.subjects}
    defect.change(*after.values())
    files = dict(made.files)
    for name, body in after.items():
        content = _written(body)
        if content != _written(before[name]):
            files[name] = folder / made.files[name].name
            files[name].write_bytes(content)
    changed = frozenset(name for name in defect.subjects if files[name] != made.files[name])
    if not changed:
        raise ValueError(f"defect {defect.rule!r} changes nothing: mend the defect")
    return replace(made, name=f"{folder.name}: {defect.rule}", files=files, subjects=changed)


def _read(file: Path) -> Any:
    return dcmread(file) if file.suffix == ".dcm" else bundle_of(file)


def _written(body: Any) -> bytes:
    if not isinstance(body, Dataset):
        return json.dumps(body).encode()
    body.file_meta.MediaStorageSOPClassUID = body.SOPClassUID
    return encoded(body)
