"""A study as routing sees it: its series, each by the header of one instance."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from ainode.dicom_file import read_dicom
from ainode.volume.elements import UNREADABLE
from ainode_models.errors import InputError, InstanceError


@dataclass(frozen=True)
class Series:
    """One series and the files of its instances."""

    series_uid: str
    header: Dataset = field(repr=False, compare=False)
    """The instance with the lowest SOP Instance UID, without pixel data: the order of arrival must not show.

    Kept out of ``repr``: it holds patient data.
    """
    sop_uids: tuple[str, ...]
    """Every SOP Instance UID, sorted."""
    paths: tuple[Path, ...] = field(default=(), repr=False)
    """The file of each, in the order of ``sop_uids``."""
    contested: tuple[str, ...] = ()
    """SHA-256 of those files that other objects of the study differ from under the same SOP Instance UID."""

    @property
    def images(self) -> int:
        """Count of images; all frames of a multi-frame instance (PS3.3 C.7.6.6) count, as many as in the first."""
        frames = str(self.header.get("NumberOfFrames") or "1")
        return len(self.sop_uids) * (int(frames) if frames.isdecimal() else 1)

    @property
    def modality(self) -> str:
        """Modality (0008,0060); empty when the header has none."""
        return str(self.header.get("Modality") or "")


@dataclass(frozen=True)
class Study:
    """One study, its series sorted by Series Instance UID."""

    study_uid: str
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Skipped:
    """A file that holds no instance of a study."""

    path: Path
    reason: str


@dataclass(frozen=True)
class ReadFiles:
    """The studies among some files, and the files that are part of none."""

    studies: tuple[Study, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class _Instance:
    path: Path
    header: Dataset
    study_uid: str
    series_uid: str
    sop_uid: str


def read_study_folder(folder: Path) -> ReadFiles:
    """Read every file in a folder and in the folders below it; raises ``InputError`` when there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; give the folder that holds the files of a study")
    return read_studies(sorted(path for path in folder.rglob("*") if path.is_file()))


def read_studies(paths: Iterable[Path]) -> ReadFiles:
    """Group files by Study and Series Instance UID; of two files with one SOP Instance UID the first counts."""
    instances: dict[str, _Instance] = {}
    skipped: list[Skipped] = []
    for path in paths:
        found = _read(path)
        if isinstance(found, Skipped):
            skipped.append(found)
        elif instances.setdefault(found.sop_uid, found) is not found:
            skipped.append(Skipped(path, f"the same instance as {instances[found.sop_uid].path.name}"))
    return ReadFiles(_studies(instances.values()), tuple(skipped))


def _read(path: Path) -> _Instance | Skipped:
    try:
        header = read_dicom(path, pixels=False)
        uids = [str(header.get(f"{level}InstanceUID") or "") for level in ("Study", "Series", "SOP")]
    except InvalidDicomError:
        return Skipped(path, "not a DICOM file: no preamble and DICM prefix (PS3.10 7.1)")
    except InstanceError as exc:
        return Skipped(path, str(exc))
    except UNREADABLE as exc:
        return Skipped(path, f"cannot be read ({type(exc).__name__})")
    if not all(uids):
        return Skipped(path, "lacks a Study, Series or SOP Instance UID: a DICOMDIR, or cut short")
    return _Instance(path, header, *uids)


def _studies(instances: Iterable[_Instance]) -> tuple[Study, ...]:
    grouped: dict[str, dict[str, list[_Instance]]] = defaultdict(lambda: defaultdict(list))
    for instance in instances:
        grouped[instance.study_uid][instance.series_uid].append(instance)
    return tuple(
        Study(study_uid, tuple(_series(uid, members) for uid, members in sorted(series.items())))
        for study_uid, series in sorted(grouped.items())
    )


def _series(series_uid: str, members: list[_Instance]) -> Series:
    by_uid = sorted(members, key=lambda member: member.sop_uid)
    return Series(
        series_uid=series_uid,
        header=by_uid[0].header,
        sop_uids=tuple(member.sop_uid for member in by_uid),
        paths=tuple(member.path for member in by_uid),
    )
