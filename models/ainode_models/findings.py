"""What a model says about a study, without any encoding.

Only the standard library and numpy are imported here: ``dicom_sr/`` and ``fhir/`` write these objects, and
neither DICOM nor FHIR shows in them except as coded concepts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Code:
    """A coded concept: the triplet of PS3.3 section 8."""

    value: str
    """``CodeValue``, for example ``79654002``."""
    scheme: str
    """``CodingSchemeDesignator``: ``SCT``, ``NCIt``, ``DCM``, ``RADLEX``, ``UCUM``, ``LN``."""
    meaning: str
    """``CodeMeaning``, in English."""


class Outcome(StrEnum):
    """How a run ended."""

    FINDINGS = "findings"
    """The model finished and found something."""
    NO_FINDINGS = "no findings"
    """The model finished and found nothing."""
    REFUSED = "refused"
    """The images are not what the model is made for, or cannot be used: says nothing about the patient."""
    FAILED = "failed"
    """The analysis broke off: says nothing about the patient."""


@dataclass(frozen=True)
class Algorithm:
    """The model that made a result (TID 4019, and the Contributing Equipment of IHE AIR 6.5.3.1)."""

    name: str
    version: str
    manufacturer: str
    """Who made the model: Algorithm Source of Table 6.5.3.1-1 of IHE AIR."""
    family: Code
    """CID 7162, for example (123110, DCM, Artificial Intelligence)."""
    device_uid: str
    """One UID for each model and set of weights, as IHE AIR 6.5.3.1 asks."""
    weights_sha256: str
    intended_use: str
    """One sentence that is shown to readers, demonstration models included."""
    disclaimer: str
    """What every result must say, for example that it is not for diagnostic use."""
    parameters: int | None = None
    """Of all its networks, as their framework counts them; None where the runtime does not say."""


@dataclass(frozen=True)
class Diameter:
    """The longest distance between two voxel centres of the largest connected part of one segment."""

    length_mm: float
    start_mm: tuple[float, float, float]
    """One end, LPS millimetres."""
    end_mm: tuple[float, float, float]
    """The other end, LPS millimetres."""


@dataclass(frozen=True)
class Segment:
    """One label of a model, present or absent in this study."""

    number: int
    """Value in the label map; also ``SegmentNumber`` (PS3.3 C.8.20.2), from 1."""
    label: str
    """Name shown to readers, for example ``Enhancing tumour``."""
    category: Code
    """Segmented Property Category (CID 7150)."""
    type: Code
    """Segmented Property Type (CID 7151), also the Finding of the measurement group."""
    anatomy: Code
    """Anatomic region: the Finding Site."""
    color: tuple[int, int, int]
    """Recommended display colour, sRGB, 0 to 255."""
    tracking_id: str
    """``TrackingID`` (0062,0020), readable."""
    tracking_uid: str
    """``TrackingUID`` (0062,0021)."""
    voxels: int
    """Count of voxels; 0 means looked for and not found."""
    volume_ml: float
    longest_diameter: Diameter | None
    """None when the segment is empty."""
    confidence: float | None
    """Mean probability that the model gives to its own voxels, 0 to 1; None when it gives none."""
    prior_volume_ml: float | None = None
    """Volume of the same label in `Findings.prior`, 0 where it was looked for and not found; None without one."""


class Decision(StrEnum):
    """What a classifier makes of one of its classes."""

    PRESENT = "present"
    """The probability reaches the package's threshold."""
    ABSENT = "absent"
    """It does not."""
    UNCERTAIN = "uncertain"
    """It lies in the package's band for which a human must decide."""


@dataclass(frozen=True)
class ClassFinding:
    """One class of a classifier, present or not in one image."""

    number: int
    """Place among the classes of the package, from 1."""
    label: str
    """Name shown to readers, for example ``Lung opacity``."""
    type: Code
    """The finding itself."""
    anatomy: Code
    """Anatomic region: the Finding Site."""
    tracking_id: str
    """``TrackingID`` (0062,0020), readable."""
    tracking_uid: str
    """``TrackingUID`` (0062,0021)."""
    probability: float
    """0 to 1; of all classes together 1 where they exclude one another."""
    decision: Decision
    members: Mapping[str, float]
    """Probability by each net of an ensemble, by its name; empty for a single net."""
    normal: bool = False
    """Whether the class says that nothing was found; its presence is no finding."""

    @property
    def found(self) -> bool:
        """Whether it is a finding that is present."""
        return self.decision is Decision.PRESENT and not self.normal

    @property
    def notable(self) -> bool:
        """Whether it is a finding that is present, or of which a human must decide."""
        return self.decision is not Decision.ABSENT and not self.normal


@dataclass(frozen=True)
class Agreement:
    """How sure an ensemble is of its best class."""

    confidence: float
    """Probability of the best class, 0 to 1."""
    margin: float
    """Best less second best probability, 0 to 1."""
    disagreement: float
    """Mean over the classes of the standard deviation between the nets, 0 to 0.5."""


@dataclass(frozen=True)
class Heatmap:
    """Where a classifier looked for one class, for example by Grad-CAM (Selvaraju et al. 2017)."""

    number: int
    """Of the class."""
    method: str
    """``Grad-CAM``, ``LIME``."""
    values: NDArray[np.float32]
    """``(rows, columns)`` of the image that was classified, 0 to 1."""


@dataclass(frozen=True)
class Prior:
    """An earlier result on the same patient, by any version of the same model."""

    run_id: str
    version: str
    """Of the model that made it."""
    studied_on: date
    """``StudyDate`` of the study that it is about."""
    study_uid: str
    series_uid: str
    """Series of its report."""
    sop_class_uid: str
    """Of its report."""
    sop_instance_uid: str
    """Of its report."""


@dataclass(frozen=True)
class Findings:
    """The outcome of one run of one model on one study.

    A segmentation model has ``segments`` and a ``label_map``, a classifier has ``classes`` and an ``agreement``.
    """

    run_id: str
    """All UIDs of the result derive from it (``ainode_models.uids``)."""
    outcome: Outcome
    algorithm: Algorithm
    started_at: datetime
    """When the analysis started, with zone: Content Date and Time of IHE AIR 6.5.3.1."""
    segments: tuple[Segment, ...]
    """Every label that the model looks for, in the order of its number; empty after a failure."""
    label_map: NDArray[np.uint8] | None
    """Labels on the grid of the reference series, ``(slices, rows, columns)``; None after a failure."""
    failure: str | None
    """Why the run failed or was refused, for people to read, without patient data; None otherwise."""
    classes: tuple[ClassFinding, ...] = ()
    """Every class that a classifier knows, in the order of its number; empty for other models and after a failure."""
    agreement: Agreement | None = None
    heatmaps: tuple[Heatmap, ...] = ()
    remarks: tuple[str, ...] = ()
    """What was done otherwise than asked, for readers: smaller tiles, on the CPU, without a lung mask."""
    lacking: tuple[str, ...] = ()
    """What was asked for beside the answer and could not be made, with why, for readers: the result is partial."""
    device: str = ""
    """Where it was computed, as `ainode_models.prediction.Prediction.device`; empty after a failure."""
    prior: Prior | None = None
    """What the segments are compared with."""
    probabilities: NDArray[np.float16] | None = None
    """``(segments, slices, rows, columns)`` on the grid of the label map, 0 to 1, if they were asked for."""

    @property
    def analysed(self) -> bool:
        """Whether the run says anything about the patient: it neither failed nor was refused."""
        return self.outcome not in (Outcome.FAILED, Outcome.REFUSED)

    @property
    def partial(self) -> bool:
        """Whether the answer is there, but not all that was asked for beside it."""
        return self.analysed and bool(self.lacking)

    @property
    def present(self) -> tuple[Segment, ...]:
        """The segments that have at least one voxel."""
        return tuple(segment for segment in self.segments if segment.voxels)
