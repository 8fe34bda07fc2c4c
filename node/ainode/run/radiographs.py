"""From the images of one series to the one radiograph that a classifier gets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from ainode.picture.picture import read_picture
from ainode.volume.builder import read_header
from ainode.volume.elements import UNREADABLE, image_name
from ainode_models.errors import InputError, InstanceError
from ainode_models.radiograph import Radiograph

_FRONTAL = frozenset({"pa", "ap", "posteroanterior", "anteroposterior", "posterioranterior", "anteriorposterior"})
"""``ViewPosition`` (PS3.3 C.8.7.1.1.4), and the meanings of CID 4010, without spaces and hyphens."""

_RAW = "FOR PROCESSING"


@dataclass(frozen=True)
class Chosen:
    """The image of a series that is classified."""

    path: Path
    header: Dataset
    """Without pixels."""
    remarks: tuple[str, ...]
    """What readers must know of the choice."""


def choose_image(paths: Sequence[Path]) -> Chosen:
    """The only image of a series, or the first that is frontal, by Instance Number.

    Raw detector images are left out. Raises InputError, in words of a radiographer, when nothing else is there, or
    when there are several images and none says that it is PA or AP.
    """
    found = [(read_header(path), path) for path in paths]
    ready = [(header, path) for header, path in found if _text(header, "PresentationIntentType") != _RAW]
    if not ready:
        raise InputError(
            "the series holds only raw detector images (Presentation Intent Type FOR PROCESSING): "
            "route the series FOR PRESENTATION to the model"
        )
    candidates = ready if len(ready) == 1 else [item for item in ready if is_frontal(item[0])]
    if not candidates:
        raise InputError(
            f"none of the {len(ready)} images of the series is frontal (View Position PA or AP): "
            f"{_views(header for header, _ in ready)}. Route the frontal image, or correct its View Position"
        )
    header, path = min(candidates, key=lambda item: _order(item[0]))
    remark = f"Of {len(found)} images of the series one was analysed: {_views([header])}."
    return Chosen(path, header, (remark,) if len(found) > 1 else ())


def read_radiograph(chosen: Chosen) -> tuple[Radiograph, tuple[str, ...]]:
    """The image as a person sees it, with what its header says of it, and remarks for readers.

    Raises InputError for colour images and for those with several frames, InstanceError for what cannot be decoded.
    """
    header = chosen.header
    frames = str(header.get("NumberOfFrames") or "1")
    if frames != "1":
        raise InputError(
            f"{image_name(header)} has {frames} frames, as in fluoroscopy or tomosynthesis: route a single radiograph"
        )
    if header.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(
            f"{image_name(header)} is in colour, as photographs and screen shots are: route the radiograph itself"
        )
    picture = read_picture(chosen.path)
    radiograph = Radiograph(
        pixels=picture.pixels,
        modality=_text(header, "Modality"),
        body_part=_text(header, "BodyPartExamined") or _meaning(header, "AnatomicRegionSequence"),
        view=view_of(header),
    )
    return radiograph, (*chosen.remarks, *(f"The image: {note}." for note in picture.notes))


def is_frontal(header: Dataset) -> bool:
    """Whether View Position or View Code Sequence says postero-anterior or antero-posterior."""
    views = (_text(header, "ViewPosition"), _meaning(header, "ViewCodeSequence"))
    return any(view.replace("-", "").replace(" ", "").lower() in _FRONTAL for view in views)


def view_of(header: Dataset) -> str:
    """``ViewPosition`` (0018,5101), else the meaning of View Code Sequence (0054,0220); empty when absent.

    A picture whose rows run to the front or the back (``PatientOrientation``, PS3.3 C.7.6.1.1.1) is lateral.
    """
    said = _text(header, "ViewPosition") or _meaning(header, "ViewCodeSequence")
    return said or ("LATERAL" if _rows_run_to(header)[:1] in ("A", "P") else "")


def _rows_run_to(header: Dataset) -> str:
    directions = header.get("PatientOrientation")
    return str(directions[0]) if isinstance(directions, MultiValue) and directions else ""


def _views(headers: Iterable[Dataset]) -> str:
    return ", ".join(sorted({view_of(header) or "without a view" for header in headers}))


def _order(header: Dataset) -> tuple[int, str]:
    number = _text(header, "InstanceNumber")
    return int(number) if number.isdecimal() else 2**31, str(header.SOPInstanceUID)


def _meaning(header: Dataset, keyword: str) -> str:
    items = header.get(keyword)
    return _text(items[0], "CodeMeaning") if items else ""


def _text(header: Dataset, keyword: str) -> str:
    try:
        return str(header.get(keyword) or "").strip()
    except UNREADABLE as exc:
        raise InstanceError(f"{image_name(header)} has a damaged {keyword}: send it again") from exc
