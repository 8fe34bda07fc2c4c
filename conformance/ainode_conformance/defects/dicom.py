"""Defects of segmentations, parametric maps, pictures, pages and headers of reports."""

from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset

from ainode_conformance.defects.seeding import Defect
from ainode_conformance.kinds.samples import report_defects

_KIND = "segmentation: findings"
_PROBABLE = "probabilities"
Change = Callable[[Dataset], None]


def _without(*path: str) -> Change:
    """Delete the last element of ``path``, in the first item of each sequence before it."""

    def change(ds: Dataset) -> None:
        del _item(ds, path)[path[-1]]

    return change


def _with(*path: str, value: Any) -> Change:
    def change(ds: Dataset) -> None:
        setattr(_item(ds, path), path[-1], value)

    return change


def _item(ds: Dataset, path: tuple[str, ...]) -> Dataset:
    for keyword in path[:-1]:
        ds = ds[keyword].value[0]
    return ds


def _flipped(ds: Dataset) -> None:
    ds.PixelData = bytes([ds.PixelData[0] ^ 0xFF]) + ds.PixelData[1:]


def _moved(ds: Dataset) -> None:
    """All slices by half a row, as a wrong half-voxel convention does."""
    for frame in ds.PerFrameFunctionalGroupsSequence:
        place = frame.PlanePositionSequence[0]
        x, y, z = (float(value) for value in place.ImagePositionPatient)
        place.ImagePositionPatient = [x, y + 0.75, z]


def _louder(ds: Dataset) -> None:
    """Another value at one voxel."""
    ds.FloatPixelData = ds.FloatPixelData[:400] + b"\0\0\x80\x3f" + ds.FloatPixelData[404:]


def _turned_over(ds: Dataset) -> None:
    """The last slice first, which is where some readers do not look for it."""
    ds.PerFrameFunctionalGroupsSequence = ds.PerFrameFunctionalGroupsSequence[::-1]


def _exchanged(ds: Dataset) -> None:
    first, second = ds.SegmentSequence[:2]
    first.SegmentLabel, second.SegmentLabel = second.SegmentLabel, first.SegmentLabel


def _missed(ds: Dataset) -> None:
    """The volume that is measured is another than that of the voxels."""
    report_defects.find(ds, report_defects.VOLUME).MeasuredValueSequence[0].NumericValue = "999.5"


def _silent(ds: Dataset) -> None:
    del report_defects.find(ds, "112039").TextValue


_SEGMENT, _ID = "SegmentSequence", "SegmentationAlgorithmIdentificationSequence"
_SEG: dict[str, Change] = {
    "no Segment Algorithm Name": _without(_SEGMENT, "SegmentAlgorithmName"),
    "no Segment Label": _without(_SEGMENT, "SegmentLabel"),
    "no Segmented Property Type": _without(_SEGMENT, "SegmentedPropertyTypeCodeSequence"),
    "no Segmented Property Category": _without(_SEGMENT, "SegmentedPropertyCategoryCodeSequence"),
    "Tracking ID without UID": _without(_SEGMENT, "TrackingUID"),
    "Segment Algorithm Type of no list": _with(_SEGMENT, "SegmentAlgorithmType", value="ROBOT"),
    "algorithm without family": _without(_SEGMENT, _ID, "AlgorithmFamilyCodeSequence"),
    "algorithm without version": _without(_SEGMENT, _ID, "AlgorithmVersion"),
    "no Device Serial Number": _without("DeviceSerialNumber"),
    "no Frame of Reference UID": _without("FrameOfReferenceUID"),
    "another frame of reference": _with("FrameOfReferenceUID", value="2.25.4711"),
    "another patient": _with("PatientID", value="X-2"),
    "another study's date": _with("StudyDate", value="20250101"),
    "no Referenced Series": _without("ReferencedSeriesSequence"),
    "wrong Number of Frames": _with("NumberOfFrames", value=3),
    "Segmentation Type of no list": _with("SegmentationType", value="PROBABLY"),
    "Segments Overlap of no list": _with("SegmentsOverlap", value="MAYBE"),
    "no Dimension Index": _without("DimensionIndexSequence"),
    "no Content Label": _without("ContentLabel"),
    "no Pixel Measures": _without("SharedFunctionalGroupsSequence", "PixelMeasuresSequence"),
    "voxels inverted": _flipped,
    "half a voxel off": _moved,
    "labels exchanged": _exchanged,
    "another colour": _with(_SEGMENT, "RecommendedDisplayCIELabValue", value=[0, 0, 0]),
    "refers to an image that is not there": _with(
        "ReferencedSeriesSequence", "ReferencedInstanceSequence", "ReferencedSOPInstanceUID", value="2.25.1"
    ),
    "no model named": _without("ContributingEquipmentSequence"),
}
_SHARED, _MAPPING = "SharedFunctionalGroupsSequence", "RealWorldValueMappingSequence"
_PM: dict[str, Change] = {
    "no Real World Value Mapping": _without(_SHARED, _MAPPING),
    "no LUT Label": _without(_SHARED, _MAPPING, "LUTLabel"),
    "no LUT Explanation": _without(_SHARED, _MAPPING, "LUTExplanation"),
    "no units": _without(_SHARED, _MAPPING, "MeasurementUnitsCodeSequence"),
    "no Content Qualification": _without("ContentQualification"),
    "Content Qualification of no list": _with("ContentQualification", value="APPROVED"),
    "no Content Label": _without("ContentLabel"),
    "no Frame Type": _without(_SHARED, "ParametricMapFrameTypeSequence"),
    "no Frame Laterality": _without(_SHARED, "FrameAnatomySequence", "FrameLaterality"),
    "no Frame Anatomy": _without(_SHARED, "FrameAnatomySequence"),
    "no Frame of Reference UID": _without("FrameOfReferenceUID"),
    "another frame of reference": _with("FrameOfReferenceUID", value="2.25.4711"),
    "Recognizable Visual Features of no list": _with("RecognizableVisualFeatures", value="A BIT"),
    "wrong Number of Frames": _with("NumberOfFrames", value=3),
    "another value": _louder,
    "half a voxel off": _moved,
    "slices in another order": _turned_over,
    "refers to an image that is not there": _with(
        "ReferencedSeriesSequence", "ReferencedInstanceSequence", "ReferencedSOPInstanceUID", value="2.25.1"
    ),
    "another patient": _with("PatientID", value="X-2"),
}
_SR: dict[str, Change] = {
    "no evidence": _without("CurrentRequestedProcedureEvidenceSequence"),
    "no Completion Flag": _without("CompletionFlag"),
    "no Verification Flag": _without("VerificationFlag"),
    "no Performed Procedure Code": _without("PerformedProcedureCodeSequence"),
    "a date that is none": _with("ContentDate", value="2026-01-04"),
    "another volume": _missed,
    "a text without its text": _silent,
    "another patient's name": _with("PatientName", value="Other^Otto"),
}
_SC: dict[str, Change] = {
    "no Conversion Type": _without("ConversionType"),
    "Conversion Type of no list": _with("ConversionType", value="MAGIC"),
    "fewer rows than pixels": _with("Rows", value=7),
    "more rows than pixels": _with("Rows", value=9000),
    "no Photometric Interpretation": _without("PhotometricInterpretation"),
    "colour of one sample": _with("SamplesPerPixel", value=1),
    "no Patient Orientation": _without("PatientOrientation"),
    "Burned In Annotation of no list": _with("BurnedInAnnotation", value="A BIT"),
    "another sex": _with("PatientSex", value="M"),
}
_PDF: dict[str, Change] = {
    "no MIME type": _without("MIMETypeOfEncapsulatedDocument"),
    "MIME type of a text": _with("MIMETypeOfEncapsulatedDocument", value="text/plain"),
    "no document": _without("EncapsulatedDocument"),
    "no Document Title": _without("DocumentTitle"),
    "no Concept Name": _without("ConceptNameCodeSequence"),
    "no Burned In Annotation": _without("BurnedInAnnotation"),
    "Verification Flag of no list": _with("VerificationFlag", value="PERHAPS"),
    "no Instance Number": _without("InstanceNumber"),
    "another birth date": _with("PatientBirthDate", value="19710101"),
}
DICOM = tuple(
    Defect(f"{name.upper()[:3].rstrip('1')}: {rule}", kind, (name,), change)
    for kind, name, changes in (
        (_KIND, "seg", _SEG),
        (_PROBABLE, "pm1", _PM),
        (_KIND, "sr", _SR),
        (_KIND, "sc1", _SC),
        (_KIND, "pdf", _PDF),
    )
    for rule, change in changes.items()
)
