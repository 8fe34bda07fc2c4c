"""The files of a case out of their zips: DICOM files, or NIfTI files that are called like the inputs."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ainode.api.cases import Case, one_case
from ainode.api.file_kind import FileKind, packed_kind
from ainode.api.sent_files import SentFile
from ainode.dicomweb.zip_members import read_members
from ainode_models.errors import InputError, InstanceError
from ainode_models.manifest import Manifest

_IN_ZIPS = (FileKind.DICOM, FileKind.NIFTI)


def unpacked(case: Case, manifest: Manifest, *, longest: int) -> tuple[Case, tuple[str, ...]]:
    """The case with the files of its zips in their place, and remarks on what of them is left out.

    Raises InputError when nothing is left, InstanceError for a file of more than ``longest`` bytes, WebProblem for a
    zip that is none or inflates to too much, and as `one_case` does for what the model does not take.
    """
    sent = [file for files in case.files.values() for file in files]
    if all(file.kind is not FileKind.ZIP for file in sent):
        return case, ()
    files: list[SentFile] = []
    skipped: list[str] = []
    for file in sent:
        for found in _members(file, longest) if file.kind is FileKind.ZIP else [file]:
            if isinstance(found, str):
                skipped.append(found)
            else:
                files.append(found)
    if not files:
        reason = f": {skipped[0]}" if skipped else ""
        raise InputError(f"the zip holds no DICOM and no NIfTI file that can be read{reason}")
    remarks = (f"{len(skipped)} files of the zip were not used: {skipped[0]}.",) if skipped else ()
    return one_case(files, manifest), remarks


def _members(zipped: SentFile, longest: int) -> Iterator[SentFile | str]:
    """Each file of a zip, or why it is skipped; they lie beside it under numbers, and their names are only compared."""
    for number, member in enumerate(read_members(zipped.path, skip=_skip), 1):
        if isinstance(member.content, str):
            yield member.content
        else:
            path = zipped.path.with_name(f"{zipped.path.name}-{number:06}")
            yield replace(zipped, name=member.name, path=path, kind=_written(member.content, path, longest))


def _skip(start: bytes) -> str | None:
    return None if packed_kind(start) in _IN_ZIPS else "neither DICOM nor NIfTI"


def _written(content: Iterable[bytes], path: Path, longest: int) -> FileKind:
    """Kind of the file that a member was written to."""
    kind, size = None, 0
    with path.open("xb") as file:
        for piece in content:
            kind = kind or packed_kind(piece)
            size += len(piece)
            if size > longest:
                problem = f"a file of the zip is longer than {longest} bytes, which [api] max_inflated allows"
                raise InstanceError(problem)
            file.write(piece)
    assert kind is not None
    return kind
