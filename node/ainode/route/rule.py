"""A routing rule."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from ainode.route.condition import Condition
from ainode.route.volume_choice import RuleChoice
from ainode_models.profile import EXACT


class Output(StrEnum):
    """What is made of the findings."""

    SEG = "seg"
    """DICOM Segmentation; a classifier makes none."""
    PM = "pm"
    """DICOM Parametric Map, beside the Segmentation: how probable each label is, voxel by voxel."""
    SC = "sc"
    """DICOM Secondary Capture: key images of what was segmented, or where a classifier looked."""
    SR = "sr"
    """DICOM Comprehensive 3D SR, TID 1500."""
    TREE = "tree"
    """DICOM Basic Text SR: IHE AIR's tree of results, which points into the SR."""
    PDF = "pdf"
    """DICOM Encapsulated PDF: one page in English and Spanish."""
    FHIR = "fhir"
    """FHIR R4 DiagnosticReport with what it refers to."""


class Priority(IntEnum):
    """Order of waiting runs; the smaller number goes first, as in the queues of DBOS."""

    URGENT = 1
    ROUTINE = 10
    LOW = 100


@dataclass(frozen=True)
class Input:
    """One input of the model and the conditions on the series for it, those of ``[rule.series]`` included."""

    name: str
    conditions: tuple[Condition, ...]
    volume: RuleChoice | None = None
    """Which volume of the series, where it may hold several; None when it must hold one."""

    def shares_with(self, other: "Input") -> bool:
        """Whether both may take one series, since each wants another volume of it."""
        return self.volume is not None and other.volume is not None and self.volume != other.volume

    @property
    def names_modality(self) -> bool:
        """Whether a condition says which Modality it wants, which derived objects need."""
        return any(item.attribute.label == "Modality" and item.tests for item in self.conditions)


@dataclass(frozen=True)
class Rule:
    """Which studies a model takes, which series it gets, and where the results go."""

    name: str
    model: str
    """Name of the model package."""
    version: str | None
    """The version that is pinned; None for the one that is active."""
    study: tuple[Condition, ...]
    """One series of the study must meet all of them."""
    inputs: tuple[Input, ...]
    """In the order of the file."""
    outputs: tuple[Output, ...]
    destinations: tuple[str, ...]
    """Names of destinations in the settings."""
    priority: Priority
    profile: str = EXACT
    """The way in which the model is run (`ainode_models.profile`)."""
    names_outputs: bool = True
    """Whether the file says which outputs are wanted; otherwise they are those that are usual."""

    @property
    def reference(self) -> str:
        """The model as the registry knows it: ``name``, or ``name@version`` when it is pinned, and ``+profile``."""
        pinned = f"{self.model}@{self.version}" if self.version else self.model
        return pinned if self.profile == EXACT else f"{pinned}+{self.profile}"
