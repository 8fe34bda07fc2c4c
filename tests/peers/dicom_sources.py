"""Headers of MR series in any orientation, label maps on them, and findings in them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from ainode_dicom_sr.equipment import Equipment
from ainode_models.findings import Algorithm, Code, Diameter, Findings, Outcome, Segment
from ainode_models.uids import derived_uid

SHAPE = (20, 64, 48)
PIXEL_SPACING = (1.5, 0.8)
SLICE_STEP = 3.0

ORIENTATIONS = {
    "axial": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "sagittal": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
    "oblique": (0.936293, 0.312098, -0.161079, -0.289629, 0.945457, 0.148342),
}

EQUIPMENT = Equipment("ainode project", "ainode", "node-1", ("0.1.0", "highdicom 0.28.2"))

ALGORITHM = Algorithm(
    name="brain-tumour-demo",
    version="1.0.0",
    manufacturer="ainode project",
    family=Code("123110", "DCM", "Artificial Intelligence"),
    device_uid=derived_uid("a model"),
    weights_sha256="c0ffee" + "0" * 58,
    intended_use="Shows how the node works.",
    disclaimer="Demonstration only. Not for diagnostic use.",
)

_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_BRAIN = Code("12738006", "SCT", "Brain")
_LABELS = (
    ("Necrosis", Code("6574001", "SCT", "Necrosis"), (216, 49, 49)),
    ("Oedema", Code("79654002", "SCT", "Edema"), (255, 235, 59)),
    ("Enhancing tumour", Code("C113842", "NCIt", "Enhancing Lesion"), (0, 160, 255)),
)


def series(orientation: str = "axial", *, direction: Literal[1, -1] = 1, slices: int = SHAPE[0]) -> list[Dataset]:
    """Headers of one MR series; ``direction`` -1 orders its slices against the normal."""
    axes = np.array(ORIENTATIONS[orientation])
    row, column = axes[:3] / np.linalg.norm(axes[:3]), axes[3:] / np.linalg.norm(axes[3:])
    column = column - row * (row @ column)
    column /= np.linalg.norm(column)
    step = direction * SLICE_STEP * np.cross(row, column)
    return [_header(k, np.array([-40.25, -51.5, 17.75]) + k * step, [*row, *column]) for k in range(slices)]


def _header(k: int, position: NDArray[np.float64], axes: Sequence[float]) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = MRImageStorage
    ds.SOPInstanceUID = derived_uid("image", str(k))
    ds.StudyInstanceUID, ds.SeriesInstanceUID = derived_uid("study"), derived_uid("series")
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = derived_uid("frame"), ""
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Example^Anna", "X-1", "19700101", "F"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20260104", "101500", "A-77", "1"
    ds.ReferringPhysicianName, ds.Manufacturer, ds.Modality = "", "A scanner maker", "MR"
    ds.SeriesNumber, ds.InstanceNumber, ds.ImageType = 4, k + 1, ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.Rows, ds.Columns, ds.PixelSpacing = SHAPE[1], SHAPE[2], list(PIXEL_SPACING)
    ds.SliceThickness, ds.SpacingBetweenSlices = 2.5, 99  # spacing wrong on purpose: positions decide
    ds.ImagePositionPatient = [f"{value:.9f}"[:16] for value in position]
    ds.ImageOrientationPatient = [f"{value:.12f}"[:16] for value in axes]
    return ds


def affine(sources: Sequence[Dataset]) -> NDArray[np.float64]:
    """Voxel index ``(slice, row, column)`` to LPS mm, 4 x 4, from the headers alone (PS3.3 C.7.6.2.1.1)."""
    axes = np.array(sources[0].ImageOrientationPatient, dtype=float)
    first = np.array(sources[0].ImagePositionPatient, dtype=float)
    last = np.array(sources[-1].ImagePositionPatient, dtype=float)
    result = np.eye(4)
    result[:3, 0] = (last - first) / (len(sources) - 1)
    result[:3, 1] = axes[3:] * float(sources[0].PixelSpacing[0])
    result[:3, 2] = axes[:3] * float(sources[0].PixelSpacing[1])
    result[:3, 3] = first
    return result


def label_map(shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    """Labels 1 and 3, without symmetry, with empty slices at both ends and in the middle; label 2 is absent."""
    labels = np.zeros(shape, dtype=np.uint8)
    slices, rows, columns = shape
    noise = np.random.default_rng(7).integers(0, 10, shape, dtype=np.uint8)
    inner = np.zeros(shape, dtype=bool)
    inner[slices // 8 : -slices // 4, rows // 5 : rows // 2, columns // 4 : -columns // 6] = True
    inner[slices // 2] = False
    labels[inner & (noise > 1)] = 1
    labels[inner & (noise > 8)] = 3
    return labels


def findings(labels: NDArray[np.uint8] | None = None) -> Findings:
    """Findings of a run with the segments of ``labels``; FINDINGS or NO_FINDINGS as it has voxels or none."""
    labels = label_map() if labels is None else labels
    counts = np.bincount(labels.ravel(), minlength=4)
    segments = tuple(_segment(number, int(counts[number])) for number in (1, 2, 3))
    outcome = Outcome.FINDINGS if counts[1:].any() else Outcome.NO_FINDINGS
    started = datetime(2026, 1, 4, 11, 22, 33, tzinfo=UTC)
    return Findings("run-1", outcome, ALGORITHM, started, segments, labels, None)


def failed() -> Findings:
    """Findings of a run that failed."""
    reason = "the T2 series has a gap of 12 mm after slice 40"
    return replace(findings(), outcome=Outcome.FAILED, segments=(), label_map=None, failure=reason)


def refused() -> Findings:
    """Findings of a run whose images were not suitable."""
    return replace(failed(), outcome=Outcome.REFUSED, failure="the T1 series has slices 12 mm apart")


def _segment(number: int, voxels: int) -> Segment:
    label, kind, color = _LABELS[number - 1]
    return Segment(
        number=number,
        label=label,
        category=_ABNORMAL,
        type=kind,
        anatomy=_BRAIN,
        color=color,
        tracking_id=f"{label} of run 1",
        tracking_uid=derived_uid("tracking", str(number)),
        voxels=voxels,
        volume_ml=voxels * 0.0036,
        longest_diameter=Diameter(41.23456, (0.0, 0.0, 0.0), (41.23456, 0.0, 0.0)) if voxels else None,
        confidence=0.87654 if voxels else None,
    )


def with_pixels(sources: Sequence[Dataset], **elements: object) -> list[Dataset]:
    """The headers as whole images, bright towards the end of rows and of columns, with other ``elements``."""
    grey = np.add.outer(np.arange(SHAPE[1]), np.arange(SHAPE[2])).astype(np.uint16)
    for ds in sources:
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelData = 16, 12, 11, grey.tobytes()
        ds["PixelData"].VR = "OW"
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
    return list(sources)


def write(sources: Sequence[Dataset], folder: Path) -> list[Path]:
    """Files of the headers, for peers that compare results with their sources."""
    folder.mkdir()
    paths = [folder / f"{number:04}.dcm" for number in range(len(sources))]
    for ds, path in zip(sources, paths, strict=True):
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.save_as(path, enforce_file_format=True)
    return paths
