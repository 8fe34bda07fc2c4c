"""Slices that share an image (frames of an enhanced image, tiles of a mosaic) as sources of a segmentation.

highdicom takes either images with one frame each, in any order, or one multi-frame image as a whole. A volume may be
some frames of one or of several images, so it is given each slice as an image of its own, and the references that it
writes are put right afterwards.
"""

from collections.abc import Iterable, Mapping, Sequence

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from ainode_models.errors import EncodingError
from ainode_models.uids import derived_uid

_SINGLE_FRAME = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}


def one_image_each(sources: Sequence[Dataset]) -> list[Dataset]:
    """``sources``, those with a ``ReferencedFrameNumber`` as single-frame images with a UID of their own."""
    return [_own_image(source) if _number(source) else source for source in sources]


def refer_to_frames(result: Dataset, sources: Sequence[Dataset]) -> None:
    """Change the references in ``result`` to ``one_image_each(sources)`` into those to the frames of real images.

    A frame is referred to by ``ReferencedFrameNumber`` (PS3.3 10.3), a tile of a mosaic by its image alone. Lists of
    images that are no frame's own (PS3.3 C.12.1.1.9, C.7.6.1.1.4) name each image once.
    """
    frames = {_own_uid(source): source for source in sources if _number(source)}
    if not frames:
        return
    for frame in result.PerFrameFunctionalGroupsSequence:
        for derivation in frame.get("DerivationImageSequence", ()):
            _put_right(derivation.SourceImageSequence, frames)
    for reference in result.SourceImageSequence:
        _name_image(reference, frames)
    result.SourceImageSequence = _once(result.SourceImageSequence)
    for series in result.ReferencedSeriesSequence:
        for reference in series.ReferencedInstanceSequence:
            _name_image(reference, frames)
        series.ReferencedInstanceSequence = _once(series.ReferencedInstanceSequence)


def _own_image(source: Dataset) -> Dataset:
    if source.Modality not in _SINGLE_FRAME:
        raise EncodingError(f"frames of modality {source.Modality} cannot be the source of a segmentation")
    image = Dataset()
    image.update(source)
    for keyword in ("NumberOfFrames", "SOPClassUID", "SOPInstanceUID"):
        image.pop(keyword, None)
    image.SOPClassUID, image.SOPInstanceUID = _SINGLE_FRAME[source.Modality], _own_uid(source)
    return image


def _own_uid(source: Dataset) -> str:
    return derived_uid("frame", str(source.SOPInstanceUID), str(_number(source)))


def _number(source: Dataset) -> int:
    return int(source.get("ReferencedFrameNumber") or 0)


def _put_right(references: Iterable[Dataset], frames: Mapping[str, Dataset]) -> None:
    for reference in references:
        source = _name_image(reference, frames)
        if source is None:
            continue
        if "NumberOfFrames" in source:
            reference.ReferencedFrameNumber = _number(source)
        else:
            reference.SpatialLocationsPreserved = "NO"  # the tile is elsewhere in its image


def _name_image(reference: Dataset, frames: Mapping[str, Dataset]) -> Dataset | None:
    """Frame that ``reference`` stands for, None when it refers to an image already."""
    source = frames.get(reference.ReferencedSOPInstanceUID)
    if source is not None:
        reference.ReferencedSOPClassUID = source.SOPClassUID
        reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return source


def _once(references: Iterable[Dataset]) -> list[Dataset]:
    return list({str(reference.ReferencedSOPInstanceUID): reference for reference in references}.values())
