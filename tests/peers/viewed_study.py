"""Phantoms as studies that a viewer is shown: images, and the objects of a run whose answer is the truth."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode_conformance.kinds.findings import MODELS, always
from ainode_conformance.kinds.kind import Kind, Made, make
from ainode_conformance.kinds.source import Source, stacked
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.segmentation import segmentations
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_models.demo.grid import Orientation
from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.findings import Findings
from ainode_models.measure import failed_findings, findings_of
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume
from peers.dicom_sources import EQUIPMENT

_TURNED: dict[str, tuple[Orientation, float]] = {
    "axial": ("axial", 0),
    "sagittal": ("sagittal", 0),
    "oblique": ("axial", 25),
}
_STUDIED = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
_STARTED = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
_OUTPUTS = ("seg", "sc", "sr", "tree", "pdf")


@dataclass(frozen=True)
class ViewedStudy:
    """A study with a result."""

    uid: str
    """``StudyInstanceUID``."""
    truth: Volume
    """Labels as the phantom was drawn, with the phantom's own affine: neither went through our readers."""
    made: Made

    files: tuple[Path, ...]
    """Images first, then the objects of the run, with its segmentation in both forms."""

    @property
    def series(self) -> int:
        """How many series it has."""
        headers = (dcmread(file, specific_tags=["SeriesInstanceUID"]) for file in self.files)
        return len({header.SeriesInstanceUID for header in headers})

    def label_at(self, places: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The label of the voxel that each of ``places`` (..., 3), LPS mm, lies in; 0 outside."""
        inverse = np.linalg.inv(self.truth.affine)
        index = np.rint(places @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
        inside = ((index >= 0) & (index < self.truth.array.shape)).all(axis=-1)
        labels = np.zeros(index.shape[:-1], np.uint8)
        labels[inside] = self.truth.array[tuple(index[inside].T)]
        return labels


def viewed_study(folder: Path, kind: str, ending: str = "findings") -> ViewedStudy:
    """A tumour on ``axial``, ``sagittal`` or ``oblique`` slices; the run ended with ``findings``, ``nothing`` (that is,
    its tumour was overlooked), ``refused`` or ``failed``."""
    orientation, degrees = _TURNED[kind]
    rng = np.random.default_rng(5)
    phantom = brain_tumour_phantom(rng, orientation=orientation, spacing=(4.0, 1.5, 1.5), oblique_degrees=degrees)
    name = f"{kind} {ending}"
    study = PhantomStudy(
        f"viewed {name}", datetime(2026, 11, 2, 9, 30, tzinfo=UTC), f"PHANTOM^{name.upper()}", name.replace(" ", "-")
    )
    image = phantom.volumes["T1c"]
    source = stacked(write_series(folder / "images", image, study=study, protocol=PROTOCOLS["T1c"]))
    findings = _findings(source, phantom.labels, image, ending=ending)
    result = make(Kind(name, "", always(findings), _OUTPUTS), source, folder / "objects")
    files = [*source.files, *result.dicom().values()]
    if result.findings.present:
        form = SegmentationForm.LABELMAP
        (other,) = segmentations(result.findings, source.images.reference, EQUIPMENT, form=form)
        files.append(folder / "labelmap.dcm")
        files[-1].write_bytes(encoded(other))
    return ViewedStudy(study.study_uid, replace(image, array=phantom.labels), result, tuple(files))


def _findings(source: Source, labels: NDArray[np.uint8], image: Volume, *, ending: str) -> Findings:
    package = ModelPackage.open(MODELS / "brain-tumour-demo")
    if ending in ("refused", "failed"):
        reason = "the T2 series has a gap of 12 mm after slice 40" if ending == "refused" else "out of memory"
        return failed_findings(
            package.algorithm(), reason, run_id=ending, started_at=_STARTED, refused=ending == "refused"
        )
    assert source.affine is not None
    from_stack = np.rint(np.linalg.inv(image.affine) @ source.affine).astype(int)
    answer = labels[::-1] if from_stack[0, 0] < 0 else labels  # readers may count slices the other way
    answer = np.ascontiguousarray(answer) if ending == "findings" else np.zeros_like(labels)
    confidence = {int(value): 0.9 for value in np.unique(answer) if value}
    grid = Volume(answer, source.affine, image.frame_of_reference_uid)
    prediction = Prediction(answer, confidence=confidence, device="cpu")
    return findings_of(prediction, package, grid=grid, run_id=ending, started_at=_STARTED)
