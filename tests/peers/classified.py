"""A chest radiograph's header, and the ways in which a classifier's run on it can end."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from ainode_models.class_label import NORMAL as NORMAL_TYPE
from ainode_models.findings import Agreement, ClassFinding, Code, Decision, Findings, Heatmap, Outcome
from peers.fhir_samples import ALGORITHM, POSITIVE

_LUNG = Code("39607008", "SCT", "Lung")
PNEUMONIA = ClassFinding(
    number=1,
    label="Viral pneumonia",
    type=Code("75570004", "SCT", "Viral pneumonia"),
    anatomy=_LUNG,
    tracking_id="Viral pneumonia, chest-xray-demo 1.0.0",
    tracking_uid="2.25.71",
    probability=0.71234567,
    decision=Decision.PRESENT,
    members={"resnet50": 0.8, "efficientnet_b0": 0.62469134},
)
OPACITY = replace(
    PNEUMONIA,
    number=2,
    label="Lung opacity <any>",
    type=Code("112001", "DCM", "Opacity"),
    tracking_id="Lung opacity, chest-xray-demo 1.0.0",
    tracking_uid="2.25.72",
    probability=0.25,
    decision=Decision.UNCERTAIN,
    members={"resnet50": 0.15, "efficientnet_b0": 0.35},
)
COVID = replace(
    PNEUMONIA,
    number=3,
    label="COVID-19",
    type=Code("882784691000119100", "SCT", "Pneumonia caused by SARS-CoV-2"),
    tracking_id="COVID-19, chest-xray-demo 1.0.0",
    tracking_uid="2.25.73",
    probability=0.03765433,
    decision=Decision.ABSENT,
    members={"resnet50": 0.05, "efficientnet_b0": 0.02530866},
)
CLASSES = (PNEUMONIA, OPACITY, COVID)
NORMAL = replace(
    PNEUMONIA,
    number=4,
    label="Normal",
    type=NORMAL_TYPE,
    tracking_id="Normal, chest-xray-demo 1.0.0",
    tracking_uid="2.25.74",
    probability=0.65,
    members={"resnet50": 0.7, "efficientnet_b0": 0.6},
    normal=True,
)
"""Present; the threshold of another class may be reached all the same."""
REMARK = "Without a lung mask: the whole image was classified"


def classified(classes: Iterable[ClassFinding] = CLASSES, outcome: Outcome = Outcome.FINDINGS) -> Findings:
    """Findings with one class of each decision unless told otherwise, and a heat map for each class."""
    kept = tuple(classes)
    return replace(
        POSITIVE,
        run_id="run-classified",
        outcome=outcome,
        algorithm=replace(ALGORITHM, name="chest-xray-demo", disclaimer="Demonstration. Not for diagnostic use."),
        segments=(),
        classes=kept,
        agreement=Agreement(confidence=0.71234567, margin=0.46234567, disagreement=0.07),
        heatmaps=tuple(Heatmap(item.number, "Grad-CAM", np.eye(4, 5, dtype=np.float32)) for item in kept),
        remarks=(REMARK,),
    )


def nothing_classified() -> Findings:
    """Findings of a run that found none of its classes."""
    absent = (replace(item, decision=Decision.ABSENT, probability=0.01) for item in CLASSES)
    return classified(absent, Outcome.NO_FINDINGS)


def not_classified() -> Findings:
    """Findings of a run that refused its image."""
    return replace(
        classified((), Outcome.REFUSED),
        agreement=None,
        remarks=(),
        failure="ViewPosition is 'LL', but the model takes frontal views only",
    )


def radiograph_header(**elements: Any) -> Dataset:
    """Header of a DX image for presentation, complete enough for dcentvfy; with other ``elements``."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "2.25.81"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.82", "2.25.83"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Example^Anna", "X-1", "19700101", "F"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20260104", "101500", "A-77", "1"
    ds.ReferringPhysicianName, ds.Manufacturer, ds.Modality = "", "A detector maker", "DX"
    ds.SeriesNumber, ds.InstanceNumber, ds.ImageType = 4, 1, ["ORIGINAL", "PRIMARY", ""]
    ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", "PA", ["L", "F"]
    ds.PresentationIntentType, ds.BurnedInAnnotation, ds.LossyImageCompression = "FOR PRESENTATION", "NO", "00"
    ds.Rows, ds.Columns = 40, 50
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def radiograph(pixels: NDArray[np.float32] | None = None, **elements: Any) -> Dataset:
    """The same as a whole image of ``pixels`` from 0, black, to 1, or with a bright square at the upper left."""
    ds = radiograph_header()
    if pixels is None:
        pixels = np.zeros((40, 50), np.float32)
        pixels[:10, :10] = 1
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelData = np.rint(pixels * 4095).astype(np.uint16).tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds
