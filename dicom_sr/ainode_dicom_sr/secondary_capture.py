"""Pictures of a result as Secondary Capture images (PS3.3 A.8.1): for people, beside the report."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom import CoordinateSystemNames
from highdicom.sc import ConversionTypeValues, SCImage
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.result import attributes, finish, require_long_strings, series_description
from ainode_dicom_sr.source import decoded_header, require, series_number, without_identity
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings
from ainode_models.uids import derived_uid

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_FROM_SOURCE = ("PatientOrientation", "BodyPartExamined", "Laterality", "ImageLaterality", "BurnedInAnnotation")


@dataclass(frozen=True)
class Picture:
    """What one image of the series shows, with the labels burnt in that say so."""

    number: int
    """``InstanceNumber``, from 1, its own among the pictures of the run; of a heat map that of its class."""
    pixels: NDArray[np.uint8]
    """``(rows, columns, 3)``, RGB."""
    kind: str
    """What the series holds, for its description: ``heat map``, ``key image``."""
    derivation: str
    """``DerivationDescription``: what is shown, and of what."""
    orientation: tuple[str, str] | None = None
    """``PatientOrientation`` (PS3.3 C.7.6.1.1.1) of its rows and columns; that of the source when None."""


def secondary_capture(
    findings: Findings, picture: Picture, *, sources: Sequence[Dataset], equipment: Equipment
) -> SCImage:
    """Secondary Capture Image Storage (1.2.840.10008.5.1.4.1.1.7) of one picture, made of ``sources``.

    Single frames: a viewer that knows nothing else shows these. All pictures of a run form one series. Nothing says
    how large a pixel is: the picture is not to be measured on.
    """
    require_long_strings(findings, equipment)
    require(sources, _NEEDED)
    header = decoded_header(sources[0])
    try:
        result = _built(findings, picture, header, equipment=equipment)
        _set_source(result, picture, sources, header)
        finish(result, findings, header, equipment)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise EncodingError(f"the {picture.kind} of run {findings.run_id} cannot be written: {exc}") from exc
    return result


def _built(findings: Findings, picture: Picture, header: Dataset, *, equipment: Equipment) -> SCImage:
    own = {
        "sop_instance_uid": derived_uid(findings.run_id, "SC", "SOPInstanceUID", str(picture.number)),
        "instance_number": picture.number,
    }
    result = SCImage.from_ref_dataset(
        without_identity(header),
        picture.pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "F"),  # highdicom wants one; what is known takes its place
        series_number=series_number(header, 3000),
        series_description=series_description(findings, picture.kind),
        **attributes(findings, header, equipment, kind="SC") | own,
    )
    result.DateOfSecondaryCapture, result.TimeOfSecondaryCapture = result.ContentDate, result.ContentTime
    return result


def _set_source(result: SCImage, picture: Picture, sources: Sequence[Dataset], header: Dataset) -> None:
    """What the picture was made of, and what holds for it because it holds for its sources (PS3.3 C.7.6.1)."""
    result.add_new("PatientOrientation", "CS", None)
    for keyword in _FROM_SOURCE:
        if header.get(keyword):
            setattr(result, keyword, header[keyword].value)
    if not any(keyword in result for keyword in ("BodyPartExamined", "Laterality", "ImageLaterality")):
        result.add_new("Laterality", "CS", None)  # type 2C (PS3.3 C.7.3.1): nothing says whether the part is paired
    if picture.orientation is not None:
        result.PatientOrientation = list(picture.orientation)
    lossy = next((source for source in sources if source.get("LossyImageCompression") == "01"), header)
    for keyword in _LOSSY:
        if lossy.get(keyword):
            setattr(result, keyword, lossy[keyword].value)
    result.ConversionType = ConversionTypeValues.WSD.value
    result.DerivationDescription = picture.derivation
    result.SourceImageSequence = _image_references(sources)


def instance_references(sources: Sequence[Dataset]) -> list[Dataset]:
    """References to instances (SOP Instance Reference Macro, PS3.3 Table 10-11), each once."""
    classes = {str(source.SOPInstanceUID): source.SOPClassUID for source in sources}
    return [_reference(uid, sop_class) for uid, sop_class in classes.items()]


def _image_references(sources: Sequence[Dataset]) -> list[Dataset]:
    """The same to images, with the frames that are meant of those that have several (PS3.3 Table 10-3), and why."""
    references = instance_references(sources)
    purpose: CodedConcept = CodedConcept(*codes.DCM.SourceImageForImageProcessingOperation[:3])
    for reference in references:
        reference.PurposeOfReferenceCodeSequence = [purpose]
        frames = {
            int(source.ReferencedFrameNumber)
            for source in sources
            if source.SOPInstanceUID == reference.ReferencedSOPInstanceUID
            and "NumberOfFrames" in source
            and source.get("ReferencedFrameNumber")
        }
        if frames:
            reference.ReferencedFrameNumber = sorted(frames)
    return references


def _reference(uid: str, sop_class: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, uid
    return reference
