"""What came back: the objects that Orthanc has now, the report that FHIR finds, and how good the result is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import highdicom.seg
import httpx
import numpy as np

from ainode.demo.studies import DemoStudy, Truth
from ainode_models.dice import dice
from ainode_models.manifest import Manifest
from ainode_orthanc.dicomweb import DicomWebClient


@dataclass(frozen=True)
class Outcome:
    """The result of one study, as peers show it."""

    objects: Mapping[str, str]
    """SOP Instance UID by modality, ``SEG`` and ``SR``."""
    files: tuple[Path, ...]
    """The objects as Orthanc gave them back."""
    reports: int
    """DiagnosticReports that FHIR finds for the study."""
    search: str
    """The search that finds them."""
    dice: Mapping[str, float]
    """Dice of each label against the truth, empty without one."""

    @property
    def good(self) -> bool:
        """Whether there is one of each."""
        return sorted(self.objects) == ["SEG", "SR"] and self.reports == 1


def fetch_outcome(study: DemoStudy, manifest: Manifest, client: DicomWebClient, *, fhir: str, out: Path) -> Outcome:
    """Ask Orthanc and the node's FHIR server, and compare the segmentation with the truth."""
    out.mkdir(parents=True, exist_ok=True)
    objects, files = {}, []
    for series in client.search_series(study.study_uid):
        if series.Modality not in ("SEG", "SR"):
            continue
        for instance in client.search_instances(study.study_uid, series.SeriesInstanceUID):
            kind = f"{series.Modality}{' again' * (series.Modality in objects)}"
            objects[kind] = str(instance.SOPInstanceUID)
            path = out / f"{kind.lower()}.dcm"
            for part in client.retrieve_instance(
                study.study_uid, series.SeriesInstanceUID, sop_instance_uid=instance.SOPInstanceUID
            ):
                path.write_bytes(b"".join(part))
            files.append(path)
    search = f"{fhir}/DiagnosticReport?imagingStudy.identifier=urn:dicom:uid|urn:oid:{study.study_uid}"
    found = httpx.get(search, trust_env=False).json()
    scores = _dice(out / "seg.dcm", study.truth, manifest) if study.truth and "SEG" in objects else {}
    return Outcome(objects, tuple(files), int(found.get("total", 0)), search, scores)


def _dice(path: Path, truth: Truth, manifest: Manifest) -> dict[str, float]:
    """Of each label, with the segmentation on the slices of the truth."""
    seg = highdicom.seg.segread(path)
    found = seg.get_pixels_by_source_instance(
        list(truth.sop_uids), combine_segments=True, assert_missing_frames_are_empty=True, skip_overlap_checks=True
    )
    numbers = {item.SegmentLabel: item.SegmentNumber for item in seg.SegmentSequence}
    scores = {}
    for label in manifest.labels:
        ours = found == numbers[label.name] if label.name in numbers else np.zeros_like(found, bool)
        true = truth.labels == label.value
        scores[label.name] = dice(ours, true)
    return scores
