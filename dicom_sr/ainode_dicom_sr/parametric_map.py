"""How probable a label is at each voxel, as Parametric Map (PS3.3 A.75, C.8.32)."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sr import CodeContentItem, CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ainode_dicom_sr.coding import concept
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.frame_groups import slices_of_frames
from ainode_dicom_sr.frame_sources import one_image_each, refer_to_frames
from ainode_dicom_sr.on_slices import (
    NEEDED,
    person_name,
    replace_random_uids,
    require_one_orientation,
    single_pixels,
)
from ainode_dicom_sr.result import attributes, finish, require_long_strings, series_description
from ainode_dicom_sr.source import decoded_header, require, series_number
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings, Segment
from ainode_models.uids import derived_uid

LEAST = 0.01
"""Slices before the first and after the last that have a voxel of this probability are left out."""
_PROBABILITY = CodedConcept("122157", "DCM", "Probability")


def parametric_map(
    findings: Findings, segment: Segment, sources: Sequence[Dataset], equipment: Equipment
) -> ParametricMap:
    """Parametric Map Storage (1.2.840.10008.5.1.4.1.1.30) of one present segment; all of a run form one series.

    ``sources`` as `segmentation` takes them. Values are probabilities, 0 to 1, in 32-bit floats, which are real world
    values as they stand: dcmqi, and 3D Slicer with it, reads no other type. It also takes frames to follow each other
    along the normal without a gap, so they do, from the first slice to the last that has any probability.
    Raises ``EncodingError`` without probabilities, or with such as are none.
    """
    require_long_strings(findings, equipment)
    require(sources, NEEDED)
    require_one_orientation(sources)
    planes = _planes(findings, segment, sources)
    first, last = _extent(planes)
    shown = sources[first : last + 1]
    images = one_image_each(shown)
    header = decoded_header(images[0])
    try:
        result = _of_single_pixels(findings, segment, header, images, equipment=equipment)
        _put_in_order(result)
        slices = slices_of_frames(result, images)
        refer_to_frames(result, shown)
        finish(result, findings, header, equipment)
        replace_random_uids(result, findings, "PM", str(segment.number))
        _describe_region(result, segment, header)
        result.Rows, result.Columns = planes.shape[1:]
        result.FloatPixelData = _floats(planes[first : last + 1], slices)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise EncodingError(f"the parametric map of run {findings.run_id} cannot be written: {exc}") from exc
    return result


def _of_single_pixels(
    findings: Findings, segment: Segment, header: Dataset, images: Sequence[Dataset], *, equipment: Equipment
) -> ParametricMap:
    """The object with frames of one pixel: highdicom would hold all pixels twice more."""
    algorithm = findings.algorithm
    own = {
        "sop_instance_uid": derived_uid(findings.run_id, "PM", "SOPInstanceUID", str(segment.number)),
        "instance_number": segment.number,
    }
    return ParametricMap(
        source_images=single_pixels(header, images),
        pixel_array=np.zeros((len(images), 1, 1), np.float32),
        contains_recognizable_visual_features=header.get("RecognizableVisualFeatures") != "NO",
        real_world_value_mappings=[_mapping(segment)],
        voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
        series_number=series_number(header, 8000),
        series_description=series_description(findings, "probability"),
        content_label="AI_PROBABILITY",
        content_description=f"Probability of {segment.label} by {algorithm.name} {algorithm.version}"[:64],
        content_creator_name=person_name(algorithm.name),
        **attributes(findings, header, equipment, kind="PM") | own,
    )


def _mapping(segment: Segment) -> RealWorldValueMapping:
    """Stored values are probabilities (PS3.3 C.7.6.16.2.11); the quantity says of which finding, and where."""
    mapping = RealWorldValueMapping(
        lut_label=segment.label[:16].strip(),
        lut_explanation=f"Probability of {segment.label}"[:64].strip(),
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=_PROBABILITY,
    )
    of_what = ((codes.DCM.Finding, segment.type), (codes.SCT.FindingSite, segment.anatomy))
    mapping.QuantityDefinitionSequence.extend(CodeContentItem(name, concept(code)) for name, code in of_what)
    return mapping


def _put_in_order(result: Dataset) -> None:
    """Frames along the normal of the slices (PS3.3 C.7.6.2.1.1); highdicom has them against it."""
    shared = result.SharedFunctionalGroupsSequence[0]
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
    normal = np.cross(axes[:3], axes[3:])

    def height(frame: Dataset) -> float:
        return float(normal @ np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float))

    frames = sorted(result.PerFrameFunctionalGroupsSequence, key=height)
    for number, frame in enumerate(frames, start=1):
        frame.FrameContentSequence[0].DimensionIndexValues = [number]
    result.PerFrameFunctionalGroupsSequence = frames


def _describe_region(result: Dataset, segment: Segment, header: Dataset) -> None:
    """Frame Anatomy (PS3.3 C.7.6.16.2.8), which dcmqi needs, in place of Laterality.

    A source that names no side shows both, or a part that has none: ``U``, as R and L would be claims.
    """
    if header.get("BodyPartExamined"):
        result.BodyPartExamined = header.BodyPartExamined
    sides = [header.get(keyword) for keyword in ("Laterality", "ImageLaterality")]
    anatomy = Dataset()
    anatomy.FrameLaterality = next((side for side in sides if side in ("R", "L", "B")), "U")
    anatomy.AnatomicRegionSequence = [concept(segment.anatomy)]
    result.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]


def _planes(findings: Findings, segment: Segment, sources: Sequence[Dataset]) -> NDArray[np.float16]:
    """Probabilities of the segment, ``(slices, rows, columns)``, as the sources have."""
    probabilities = findings.probabilities
    if probabilities is None or not segment.voxels:
        raise EncodingError(f"run {findings.run_id} has no probabilities of segment {segment.number} to write")
    shape = (len(findings.segments), len(sources), int(sources[0].Rows), int(sources[0].Columns))
    if probabilities.shape != shape:
        raise EncodingError(f"the probabilities are {probabilities.shape}, but segments and source images {shape}")
    planes: NDArray[np.float16] = probabilities[findings.segments.index(segment)]
    if not (planes.min() >= 0 and planes.max() <= 1):  # NaN is neither
        raise EncodingError(f"the probabilities of segment {segment.number} are not all from 0 to 1")
    return planes


def _extent(planes: NDArray[np.float16]) -> tuple[int, int]:
    """First and last slice that have any; two at least, as one has no distance to the next."""
    found = np.flatnonzero(planes.max(axis=(1, 2)) >= LEAST)
    first, last = (int(found[0]), int(found[-1])) if len(found) else (0, len(planes) - 1)
    if first < last:
        return first, last
    return (first, last + 1) if last + 1 < len(planes) else (max(first - 1, 0), last)


def _floats(planes: NDArray[np.float16], slices: Sequence[int]) -> bytes:
    """Float Pixel Data (PS3.5 A.2) of ``planes`` in the order of the frames, slice by slice, to spare memory."""
    data = BytesIO()
    for place in slices:
        data.write(planes[place].astype("<f4").tobytes())
    return data.getvalue()
