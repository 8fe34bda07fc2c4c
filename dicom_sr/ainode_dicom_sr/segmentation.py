"""Findings as DICOM Segmentation or Label Map Segmentation (PS3.3 A.51, C.8.20)."""

from collections.abc import Sequence

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from ainode_dicom_sr.coding import concept
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.frame_groups import slices_of_frames, with_encoded_frames, with_frames_of_segments
from ainode_dicom_sr.frame_sources import one_image_each, refer_to_frames
from ainode_dicom_sr.on_slices import (
    NEEDED,
    person_name,
    replace_random_uids,
    require_one_orientation,
    single_pixels,
)
from ainode_dicom_sr.result import attributes, finish, require_long_strings, series_description
from ainode_dicom_sr.segment_frames import extents, packed_frames, run_length_frame
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_dicom_sr.source import decoded_header, require, series_number
from ainode_dicom_sr.split_segmentation import split_by_segment
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings, Segment


def segmentation(findings: Findings, sources: Sequence[Dataset], equipment: Equipment) -> Dataset:
    """What `segmentations` makes in the form BINARY, which is one object."""
    (result,) = segmentations(findings, sources, equipment, form=SegmentationForm.BINARY)
    return result


def segmentations(
    findings: Findings, sources: Sequence[Dataset], equipment: Equipment, *, form: SegmentationForm
) -> list[Dataset]:
    """All segments that are present, as Segmentation Storage (1.2.840.10008.5.1.4.1.1.66.4) for the form BINARY, as
    Label Map Segmentation Storage (1.2.840.10008.5.1.4.1.1.66.7) for LABELMAP, each in a Segmentation of its own for
    SPLIT; the same segments in all.

    ``sources[k]`` is the header of the image that slice ``k`` of ``findings.label_map`` lies on; where it is a frame of
    an image, ``ReferencedFrameNumber`` says which, and the geometry is at the top level as in a single-frame image.
    PS3.3 C.8.20.2 wants numbers from 1 without gaps, so segments are numbered anew, in the order of their
    labels, where a label is absent, and are all number 1 in SPLIT; what identifies a segment across objects and runs is
    its ``TrackingUID``. A label map has (125040, DCM, "Background") as its segment 0, in the last item of Segment
    Sequence, whose order is free (C.8.20.2): OHIF up to 3.13 counts items, and showed each segment in the colour of the
    one before.
    Raises ``EncodingError`` without a present segment: an empty segmentation cannot be written.
    """
    require_long_strings(findings, equipment)
    require(sources, NEEDED)
    require_one_orientation(sources)
    labels = _label_map(findings, sources)
    rows = _rows(findings, labels)
    images = one_image_each(sources)
    header = decoded_header(images[0])
    try:
        one_each = _of_single_pixels(findings, rows, header, images, equipment=equipment, form=form)
        slices = slices_of_frames(one_each, images)
        refer_to_frames(one_each, sources)
        finish(one_each, findings, header, equipment)
        replace_random_uids(one_each, findings, form.kind)
        one_each.Rows, one_each.Columns = labels.shape[1:]
        return _with_pixels(one_each, findings, labels, rows[slices], slices=slices, form=form)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise EncodingError(f"the segmentation of run {findings.run_id} cannot be written: {exc}") from exc


def _of_single_pixels(
    findings: Findings,
    rows: NDArray[np.int64],
    header: Dataset,
    images: Sequence[Dataset],
    *,
    equipment: Equipment,
    form: SegmentationForm,
) -> Segmentation:
    """The object with one frame of one pixel, of segment 1, on each slice that any segment is on.

    highdicom goes through all pixels of all slices once for each segment that it is told of, which takes most of the
    time; it must be told of two where there are, as a single one's number stands elsewhere.
    """
    algorithm = findings.algorithm
    described = _descriptions(findings)
    result = Segmentation(
        source_images=single_pixels(header, images),
        pixel_array=rows.any(axis=(1, 2)).astype(np.uint8).reshape(-1, 1, 1),
        segmentation_type=SegmentationTypeValues(form.type),
        segment_descriptions=described[:2],
        omit_empty_frames=True,
        series_number=series_number(header, form.series_base),
        series_description=series_description(findings, form.words),
        content_label="AI_SEGMENTATION",
        content_description=f"AI segmentation by {algorithm.name} {algorithm.version}"[:64],
        content_creator_name=person_name(algorithm.name),
        **attributes(findings, header, equipment, kind=form.kind),
    )
    background = [item for item in result.SegmentSequence if item.SegmentNumber == 0]
    result.SegmentSequence = [*described, *background]
    for keyword in ("BodyPartExamined", "Laterality"):
        if header.get(keyword):
            setattr(result, keyword, header[keyword].value)
    return result


def _with_pixels(
    one_each: Dataset,
    findings: Findings,
    labels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    *,
    slices: Sequence[int],
    form: SegmentationForm,
) -> list[Dataset]:
    """The objects of ``form``; ``rows`` and ``slices`` are of the slices that have any segment, in their order."""
    numbers = [segment.number for segment in findings.present]
    if form is SegmentationForm.SPLIT:
        return split_by_segment(one_each, findings, labels, rows, slices=slices)
    if form is SegmentationForm.BINARY:
        occupied = rows[..., 1] > 0
        result = with_frames_of_segments(one_each, occupied)
        shown, places = np.nonzero(occupied.T)
        result.PixelData = packed_frames(
            labels, np.take(slices, places).tolist(), np.take(numbers, shown).tolist(), rows[places, shown]
        )
        return [result]
    table = np.zeros(256, dtype=np.uint8)
    table[numbers] = np.arange(1, len(numbers) + 1)
    result = with_encoded_frames(one_each)
    result.file_meta.TransferSyntaxUID = form.transfer_syntax
    result.PixelData = encapsulate([run_length_frame(labels[place], table) for place in slices])
    result["PixelData"].VR = "OB"
    result["PixelData"].is_undefined_length = True
    return [result]


def _label_map(findings: Findings, sources: Sequence[Dataset]) -> NDArray[np.uint8]:
    """``(slices, rows, columns)``, as the sources have."""
    labels = findings.label_map
    if labels is None or not findings.present:
        raise EncodingError(
            f"run {findings.run_id} has no voxel of any segment: a segmentation cannot be empty; write the report alone"
        )
    shape = (len(sources), int(sources[0].Rows), int(sources[0].Columns))
    if labels.shape != shape:
        raise EncodingError(f"the label map is {labels.shape}, but the source images are {shape}")
    return labels


def _rows(findings: Findings, labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """``(slices, segments, 2)``: the rows on which each present segment is, as `extents` tells.

    Refuses a label map that holds other labels, or other counts of them, than the segments say.
    """
    excess, rows = extents(labels)
    excess[0] = 0
    for segment in findings.segments:
        excess[segment.number] -= segment.voxels
    if excess.any():
        wrong = ", ".join(str(number) for number in np.flatnonzero(excess))
        raise EncodingError(f"the label map and the voxel counts of the segments disagree for label {wrong}")
    return rows[:, [segment.number for segment in findings.present]]


def _descriptions(findings: Findings) -> list[SegmentDescription]:
    algorithm = findings.algorithm
    identification = AlgorithmIdentificationSequence(
        name=algorithm.name,
        family=concept(algorithm.family),
        version=algorithm.version,
        source=algorithm.manufacturer,
    )
    return [_description(number, segment, identification) for number, segment in enumerate(findings.present, start=1)]


def _description(number: int, segment: Segment, identification: AlgorithmIdentificationSequence) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=concept(segment.category),
        segmented_property_type=concept(segment.type),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=identification,
        tracking_uid=segment.tracking_uid,
        tracking_id=segment.tracking_id,
        anatomic_regions=[concept(segment.anatomy)],
        display_color=CIELabColor.from_rgb(*segment.color),
    )
