"""Pictures that explain a classification, as Secondary Capture images (PS3.3 A.8.1): for people, beside the report."""

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
from ainode_models.findings import ClassFinding, Findings
from ainode_models.uids import derived_uid

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_FROM_SOURCE = ("PatientOrientation", "BodyPartExamined", "Laterality", "ImageLaterality", "BurnedInAnnotation")


def explanation(
    findings: Findings, item: ClassFinding, pixels: NDArray[np.uint8], *, source: Dataset, equipment: Equipment
) -> SCImage:
    """Secondary Capture Image Storage (1.2.840.10008.5.1.4.1.1.7) of one picture, ``(rows, columns, 3)`` RGB.

    ``pixels`` show ``source``, and where the model looked for the class ``item``, with the label burnt in that says so.
    All pictures of a run form one series. Nothing says how large a pixel is: the picture is not to be measured on.
    """
    require_long_strings(findings, equipment)
    require([source], _NEEDED)
    header = decoded_header(source)
    try:
        result = _built(findings, item, pixels, header, equipment=equipment)
        _set_source(result, item, header)
        finish(result, findings, header, equipment)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise EncodingError(f"the explanation of run {findings.run_id} cannot be written: {exc}") from exc
    return result


def _built(
    findings: Findings, item: ClassFinding, pixels: NDArray[np.uint8], header: Dataset, *, equipment: Equipment
) -> SCImage:
    own = {
        "sop_instance_uid": derived_uid(findings.run_id, "SC", "SOPInstanceUID", str(item.number)),
        "instance_number": item.number,
    }
    result = SCImage.from_ref_dataset(
        without_identity(header),
        pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "F"),  # highdicom wants one; what the source says takes its place
        series_number=series_number(header, 3000),
        series_description=series_description(findings.algorithm, "heat map"),
        **attributes(findings, header, equipment, kind="SC") | own,
    )
    result.DateOfSecondaryCapture, result.TimeOfSecondaryCapture = result.ContentDate, result.ContentTime
    return result


def _set_source(result: SCImage, item: ClassFinding, header: Dataset) -> None:
    """What the picture was made of, and what holds for it because it holds for its source (PS3.3 C.7.6.1)."""
    result.add_new("PatientOrientation", "CS", None)
    for keyword in (*_FROM_SOURCE, *_LOSSY):
        if header.get(keyword):
            setattr(result, keyword, header[keyword].value)
    result.ConversionType = ConversionTypeValues.WSD.value
    result.DerivationDescription = f"Where the model looked for: {item.label}"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    purpose: CodedConcept = CodedConcept(*codes.DCM.SourceImageForImageProcessingOperation[:3])
    reference.PurposeOfReferenceCodeSequence = [purpose]
    result.SourceImageSequence = [reference]
