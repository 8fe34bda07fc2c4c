"""The images that a report was made from (TID 1600)."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    RelationshipTypeValues,
    UIDRefContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

_SOURCE = CodedConcept("260753009", "SCT", "Source")
_CONTAINS = RelationshipTypeValues.CONTAINS
_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT


def image_library(images: Sequence[Dataset]) -> ContainerContentItem:
    """TID 1600 with one Image Library Group for each series, described once and not again for each image.

    A volume has hundreds of images; TID 1602 on each would make the report unreadable and say nothing more.
    """
    library = _container(codes.DCM.ImageLibrary)
    ordered = sorted(images, key=_series)  # stable, so that slices stay in their order
    for _, series in groupby(ordered, key=_series):
        library.ContentSequence.append(_group(list(series)))
    return library


def _series(image: Dataset) -> str:
    return str(image.SeriesInstanceUID)


def _group(images: Sequence[Dataset]) -> ContainerContentItem:
    group = _container(codes.DCM.ImageLibraryGroup)
    group.ContentSequence.extend(_descriptors(images[0]))
    group.ContentSequence.extend(
        ImageContentItem(_SOURCE, image.SOPClassUID, image.SOPInstanceUID, relationship_type=_CONTAINS)
        for image in images
    )
    return group


def _descriptors(image: Dataset) -> Iterable[ContentItem]:
    """TID 1602, for all images of the group; left out for a modality that CID 29 does not know."""
    modalities = {code.value: code for code in (getattr(codes.cid29, name) for name in codes.cid29.dir())}
    modality = modalities.get(str(image.get("Modality")))
    if modality is None:
        return
    yield CodeContentItem(codes.DCM.Modality, modality, relationship_type=_CONTEXT)
    if image.get("FrameOfReferenceUID"):
        yield UIDRefContentItem(codes.DCM.FrameOfReferenceUID, image.FrameOfReferenceUID, _CONTEXT)


def _container(name: CodedConcept) -> ContainerContentItem:
    container = ContainerContentItem(name, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence()
    return container
