"""A labelled folder of X-rays, like the COVID-19 Radiography Database: a folder for each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ainode_models.errors import InputError
from ainode_models.training.class_folder import ClassFolder
from ainode_models.training.patients import Patient, PatientBook

_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class LabelledXray:
    """One image of which the class is known."""

    file: Path
    mask: Path | None
    """White where the lungs are."""
    label: int
    """Place of its class, from 0."""
    patient: Patient


def read_xrays(
    data: Path, classes: Sequence[ClassFolder], patients: PatientBook, *, masked: bool
) -> tuple[LabelledXray, ...]:
    """The images of ``data`` in a fixed order, with masks if ``masked``.

    A class has its images in ``FOLDER/images`` and its masks by the same names in ``FOLDER/masks``, or its images
    right in ``FOLDER``. Raises `InputError` for folders or masks that are missing, and for folders of no class.
    """
    _refuse_strangers(data, classes)
    xrays: list[LabelledXray] = []
    for label, each in enumerate(classes):
        folder = data / each.folder
        files = _images_in(folder / "images") if (folder / "images").is_dir() else _images_in(folder)
        if not files:
            raise InputError(f"{folder}: holds no PNG or JPEG images, neither itself nor in images/")
        for file in files:
            mask = _mask_of(folder, file) if masked else None
            patient = patients.of(PurePosixPath(file.relative_to(data).as_posix()))
            xrays.append(LabelledXray(file, mask, label, patient))
    return tuple(xrays)


def has_masks(data: Path, classes: Sequence[ClassFolder]) -> bool:
    """Whether every class has a folder of masks."""
    return all((data / each.folder / "masks").is_dir() for each in classes)


def _refuse_strangers(data: Path, classes: Sequence[ClassFolder]) -> None:
    if not data.is_dir():
        raise InputError(f"{data}: is no folder; name the folder that holds a folder for each class")
    known = {each.folder for each in classes}
    found = {path.name for path in data.iterdir() if path.is_dir() and not path.name.startswith(".")}
    advice = "name the folder of each class, what it means and its codes in a file for --classes"
    if known - found:
        raise InputError(f"{data}: has no folder {', '.join(sorted(known - found))}; {advice}")
    if found - known:
        raise InputError(
            f"{data}: no class has the folder {', '.join(sorted(found - known))}; {advice}, or move it away"
        )


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES) if folder.is_dir() else []


def _mask_of(folder: Path, image: Path) -> Path:
    for suffix in (image.suffix, *_SUFFIXES):
        mask = folder / "masks" / f"{image.stem}{suffix}"
        if mask.is_file():
            return mask
    raise InputError(f"{folder / 'masks'}: an image has no mask of the same name; add it, or train with --masks ignore")
