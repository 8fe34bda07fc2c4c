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
from pydicom.tag import Tag

from ainode_dicom_sr.encoded_items import Known, encoded_item, encoded_sequence

_CONTENT = Tag("ContentSequence")
_SOURCE = CodedConcept("260753009", "SCT", "Source")
_CONTAINS = RelationshipTypeValues.CONTAINS
_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT


def image_library(images: Sequence[Dataset]) -> ContainerContentItem:
    """TID 1600 with one Image Library Group for each series, described once and not again for each image.

    A volume has hundreds of images; TID 1602 on each would make the report unreadable and say nothing more. Of each
    series the first image is there; `name_others` adds the others to the report.
    """
    library = _container(codes.DCM.ImageLibrary)
    for first, *_ in _by_series(images):
        group = _container(codes.DCM.ImageLibraryGroup)
        group.ContentSequence.extend(_descriptors(first))
        group.ContentSequence.append(
            ImageContentItem(_SOURCE, first.SOPClassUID, first.SOPInstanceUID, relationship_type=_CONTAINS)
        )
        library.ContentSequence.append(group)
    return library


def name_others(report: Dataset, images: Sequence[Dataset]) -> None:
    """Complete the library of a report, which was made from the same images.

    highdicom copies, checks and searches all content several times, which with the images of a volume in it takes most
    of the time of a report.
    """
    (library,) = (item for item in report.ContentSequence if item.ConceptNameCodeSequence[0] == codes.DCM.ImageLibrary)
    known: Known = {}
    for group, series in zip(library.ContentSequence, _by_series(images), strict=True):
        *descriptors, first = group.ContentSequence
        items = [*descriptors, *(_alike(first, image) for image in series)]
        group[_CONTENT] = encoded_sequence(_CONTENT, [encoded_item(item, known) for item in items])


def _by_series(images: Sequence[Dataset]) -> list[list[Dataset]]:
    ordered = sorted(images, key=_series)  # stable, so that slices stay in their order
    return [list(series) for _, series in groupby(ordered, key=_series)]


def _series(image: Dataset) -> str:
    return str(image.SeriesInstanceUID)


def _alike(item: Dataset, image: Dataset) -> Dataset:
    """The item of another image."""
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    other = Dataset({element.tag: element for element in item if element.keyword != "ReferencedSOPSequence"})
    other.ReferencedSOPSequence = [reference]
    return other


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
