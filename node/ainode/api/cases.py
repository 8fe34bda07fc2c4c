"""Which file of a request is which input of the model, and which files are one case."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ainode.api.file_kind import FileKind
from ainode.api.sent_files import SentFile
from ainode.dicomweb.problem import WebProblem
from ainode_models.manifest import Manifest

FIELDS = ("image", "images", "file", "files")
"""Fields that may hold any input."""
_ALSO: Mapping[str, str] = MappingProxyType({"t1n": "t1", "t1ce": "t1c", "t1gd": "t1c", "t2w": "t2", "t2f": "flair"})
"""What the files of BraTS 2023 and before call the four contrasts."""
_DICOM = (FileKind.DICOM, FileKind.ZIP)
_PICTURES = (FileKind.PNG, FileKind.JPEG)
UNNAMED = ""
"""Stands for the input of DICOM files whose headers must say which it is, and of a NIfTI file that holds all inputs."""


@dataclass(frozen=True)
class Case:
    """The files of one prediction, by the input that they are for."""

    files: Mapping[str, tuple[SentFile, ...]]

    @property
    def kind(self) -> FileKind:
        """Kind of the files; zips count as DICOM until they are unpacked."""
        kind = next(iter(self.files.values()))[0].kind
        return FileKind.DICOM if kind in _DICOM else kind

    @property
    def sha256(self) -> str:
        """Of the contents and the inputs that they are for, whatever the files are called."""
        lines = sorted(f"{name} {file.kind} {file.sha256}\n" for name, files in self.files.items() for file in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def one_case(files: Sequence[SentFile], manifest: Manifest) -> Case:
    """All files as one case; WebProblem 400 when they are too many, of several kinds, or for no input, 415 when they
    are of a kind that the model does not take. One NIfTI file for several inputs must hold them all."""
    _check_kinds(files, manifest)
    if _may_hold_all(files, manifest):
        return Case({UNNAMED: tuple(files)})
    by_input: dict[str, list[SentFile]] = defaultdict(list)
    for file in files:
        by_input[_input_of(file, manifest)].append(file)
    case = Case({name: tuple(found) for name, found in by_input.items()})
    if case.kind is not FileKind.DICOM:
        _check_counts(case, manifest)
    return case


def several_cases(files: Sequence[SentFile], manifest: Manifest) -> list[Case]:
    """Every picture, zip, and NIfTI file that names none of several inputs, is a case.

    NIfTI files that do are one when they are called alike but for the input; DICOM files outside a zip are one each for
    a classifier, else all together.
    """
    groups: dict[str, list[SentFile]] = defaultdict(list)
    for number, file in enumerate(files):
        groups[_group(number, file, manifest)].append(file)
    return [one_case(group, manifest) for group in groups.values()]


def input_named(texts: Iterable[str], manifest: Manifest) -> str | None:
    """The input that a part of ``texts`` names, in any case; None when it is none, or several."""
    names = _by_name(manifest)
    found = {names[match.lower()] for text in texts for match in _mentions(names).findall(text)}
    return found.pop() if len(found) == 1 else None


def _by_name(manifest: Manifest) -> dict[str, str]:
    """The inputs by what files may call them, in small letters."""
    names = {item.name.lower(): item.name for item in manifest.inputs}
    return {also: names[name] for also, name in _ALSO.items() if name in names} | names


def _mentions(names: Iterable[str]) -> re.Pattern[str]:
    """Finds the names in a text, not within a word, the longest first."""
    listed = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![a-z0-9])(?:{listed})(?![a-z0-9])", re.IGNORECASE | re.ASCII)


def _input_of(file: SentFile, manifest: Manifest) -> str:
    names = {item.name.lower(): item.name for item in manifest.inputs}
    if file.field.lower() in names:
        return names[file.field.lower()]
    if file.field not in FIELDS:
        raise WebProblem(400, f"a field is called neither image nor as an input of the model: {_names(manifest)}")
    if len(manifest.inputs) == 1:
        return manifest.inputs[0].name
    name = _named(file.name, manifest)
    if name is None and file.kind not in _DICOM:
        problem = "which input a file is for is not clear: call its field, or the file"
        raise WebProblem(400, f"{problem}, as one of {_names(manifest)}, and leave other volumes out")
    return name if name and file.kind is not FileKind.ZIP else UNNAMED


def _may_hold_all(files: Sequence[SentFile], manifest: Manifest) -> bool:
    """Whether it is one NIfTI file, in a field for any input, and the model has several."""
    return len(files) == 1 < len(manifest.inputs) and files[0].kind is FileKind.NIFTI and files[0].field in FIELDS


def _named(name: str, manifest: Manifest) -> str | None:
    """The input that the last part of a path names, else the path as a whole."""
    return input_named([name.rpartition("/")[2]], manifest) or input_named([name], manifest)


def _check_kinds(files: Sequence[SentFile], manifest: Manifest) -> None:
    kinds = {FileKind.DICOM if file.kind in _DICOM else file.kind for file in files}
    if len(kinds) > 1:
        raise WebProblem(400, f"files of several kinds ({', '.join(sorted(kinds))}); send one kind at a time")
    (kind,) = kinds
    if (kind in _PICTURES) != bool(manifest.classes) and kind is not FileKind.DICOM:
        takes = "DICOM, zip, PNG or JPEG" if manifest.classes else "NIfTI, DICOM or zip"
        raise WebProblem(415, f"the model takes {takes}, not {kind}")


def _check_counts(case: Case, manifest: Manifest) -> None:
    """One file for each input, where a file is a whole volume or picture."""
    if any(len(files) > 1 for files in case.files.values()):
        raise WebProblem(400, "several files for one input; send one at a time, or all to /batch")
    if lacking := [item.name for item in manifest.inputs if item.name not in case.files]:
        raise WebProblem(400, f"no file for the input {', '.join(lacking)}; the model needs {_names(manifest)}")


def _group(number: int, file: SentFile, manifest: Manifest) -> str:
    if file.kind is FileKind.DICOM and not manifest.classes:
        return "DICOM"
    if file.kind is not FileKind.NIFTI or len(manifest.inputs) == 1:
        return str(number)
    if file.field in FIELDS and _named(file.name, manifest) is None:
        return str(number)
    return _mentions(_by_name(manifest)).sub("", file.name)


def _names(manifest: Manifest) -> str:
    return ", ".join(item.name for item in manifest.inputs)
