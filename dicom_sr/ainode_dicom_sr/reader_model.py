"""What was read of an object that anybody may have made: what it says, and what of it was not understood."""

from dataclasses import dataclass

from ainode_models.findings import Code


@dataclass(frozen=True)
class Note:
    """One content item that was not understood, or not wholly; never its value, which may name a patient."""

    path: str
    """Place in the content tree as dcmtk's ``dsrdump`` numbers it: ``1.5.2`` is the second item of the root's fifth."""
    value_type: str
    """``ValueType`` (0040,A040); empty where it is missing."""
    concept: Code | None
    """The item's concept name."""
    reason: str


@dataclass(frozen=True)
class Reference:
    """An object that an item refers to (PS3.3 C.18.3, C.18.4)."""

    purpose: Code | None
    """Concept name of the item, for example (121324, DCM, Source image)."""
    sop_class_uid: str
    sop_instance_uid: str
    frames: tuple[int, ...] = ()
    """``ReferencedFrameNumber``; empty for the whole object."""
    segments: tuple[int, ...] = ()
    """``ReferencedSegmentNumber``."""


@dataclass(frozen=True)
class Evaluation:
    """A statement by a code or a text, with what modifies it."""

    concept: Code | None
    value: Code | str | float | None
    """None where the item has none: a container, or one that could not be read."""
    modifiers: tuple["Evaluation", ...] = ()


@dataclass(frozen=True)
class Region:
    """Coordinates (PS3.3 C.18.6, C.18.9): SCOORD in pixels ``(column, row)``, SCOORD3D in LPS mm ``(x, y, z)``."""

    purpose: Code | None
    graphic_type: str
    """``POINT``, ``POLYLINE``, ``POLYGON``, ``CIRCLE``, ``ELLIPSE``, ``ELLIPSOID``."""
    points: tuple[tuple[float, ...], ...]
    frame_of_reference_uid: str | None
    """Of SCOORD3D."""
    images: tuple[Reference, ...]
    """What the region was selected from."""
    modifiers: tuple[Evaluation, ...] = ()


@dataclass(frozen=True)
class Measurement:
    """A number (TID 300, TID 1419)."""

    concept: Code | None
    value: float | None
    unit: Code | None
    derivation: Code | None = None
    """Value of (121401, DCM, Derivation)."""
    method: Code | None = None
    """Value of (370129005, SCT, Measurement Method)."""
    tracking_uid: str | None = None
    qualifier: Code | None = None
    """``NumericValueQualifierCodeSequence`` (0040,A301): why there is no value."""
    modifiers: tuple[Evaluation, ...] = ()
    regions: tuple[Region, ...] = ()
    references: tuple[Reference, ...] = ()
    related: tuple["Measurement", ...] = ()
    """Numbers below it, for example the limits of what is normal."""


@dataclass(frozen=True)
class Site:
    """Where a finding is (363698007, SCT, Finding Site)."""

    code: Code | None
    laterality: Code | None = None
    modifiers: tuple[Evaluation, ...] = ()


@dataclass(frozen=True)
class ReadAlgorithm:
    """An algorithm as a content tree or a segment names it (TID 4019, PS3.3 C.8.20.2)."""

    name: str | None = None
    version: str | None = None
    manufacturer: str | None = None
    family: Code | None = None
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observer:
    """Who observed (TID 1002 to 1004): a device, or a person, who is not named here."""

    kind: Code | None
    uid: str | None = None
    name: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial_number: str | None = None


@dataclass(frozen=True)
class ReadEquipment:
    """Item of ``ContributingEquipmentSequence`` (0018,A001)."""

    purpose: Code | None
    manufacturer: str | None
    model: str | None
    software_versions: tuple[str, ...]
    device_uid: str | None
    description: str | None
    contributed_at: str | None
    """``ContributionDateTime`` (0018,A002), as it is written."""


@dataclass(frozen=True)
class Group:
    """What one container says: a measurement group (TID 1410, 1411, 1501), or another of any name."""

    path: str
    title: Code | None
    label: str | None = None
    """(125309, DCM, Short Label)."""
    tracking_id: str | None = None
    tracking_uid: str | None = None
    observation_uid: str | None = None
    """``ObservationUID`` (0040,A171) of the container, or of the first of its items that has one."""
    category: Code | None = None
    finding: Code | str | None = None
    sites: tuple[Site, ...] = ()
    algorithms: tuple[ReadAlgorithm, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    regions: tuple[Region, ...] = ()
    references: tuple[Reference, ...] = ()
    source_series: tuple[str, ...] = ()
    """``SeriesInstanceUID`` of what was measured."""
    comments: tuple[str, ...] = ()

    @property
    def absent(self) -> tuple[Code | str | float | None, ...]:
        """What was looked for and not found: values of (373572006, SCT, Clinical finding absent)."""
        return tuple(
            each.value for each in self.evaluations if each.concept is not None and each.concept.value == "373572006"
        )

    @property
    def segments(self) -> tuple[Reference, ...]:
        """References to segments of a segmentation."""
        return tuple(each for each in self.references if each.segments)

    @property
    def explanations(self) -> tuple[Reference, ...]:
        """References by (130401, DCM, Visual explanation)."""
        return tuple(each for each in self.references if each.purpose is not None and each.purpose.value == "130401")


@dataclass(frozen=True, kw_only=True)
class ReadObject:
    """Any object: what it is, and who made it."""

    kind: str
    """Name of the SOP Class, or its UID where the dictionary has none."""
    sop_class_uid: str
    sop_instance_uid: str | None
    modality: str | None
    manufacturer: str | None
    """General Equipment: who made what wrote the object."""
    model: str | None
    equipment: tuple[ReadEquipment, ...]
    content_qualification: str | None


@dataclass(frozen=True, kw_only=True)
class ReadImage(ReadObject):
    """An image: nothing of its pixels."""

    rows: int | None
    columns: int | None
    frames: int


@dataclass(frozen=True)
class ReadSegment:
    """Item of ``SegmentSequence`` (0062,0002)."""

    number: int | None
    label: str | None
    category: Code | None
    type: Code | None
    anatomy: Code | None
    algorithm_type: str | None
    """``AUTOMATIC``, ``SEMIAUTOMATIC``, ``MANUAL``."""
    algorithm: ReadAlgorithm | None
    tracking_id: str | None
    tracking_uid: str | None


@dataclass(frozen=True, kw_only=True)
class ReadSegmentation(ReadImage):
    """A segmentation: what its segments are."""

    segmentation_type: str | None
    """``BINARY``, ``FRACTIONAL``, ``LABELMAP``."""
    segments: tuple[ReadSegment, ...]


@dataclass(frozen=True, kw_only=True)
class ReadReport(ReadObject):
    """A structured report or another object with a content tree."""

    title: Code | None
    template: str | None
    """``TemplateIdentifier`` (0040,DB00) of the root."""
    completion: str | None
    """``CompletionFlag`` (0040,A491)."""
    verification: str | None
    """``VerificationFlag`` (0040,A493)."""
    preliminary: str | None
    """``PreliminaryFlag`` (0040,A496)."""
    languages: tuple[Code, ...]
    observers: tuple[Observer, ...]
    procedures: tuple[Code, ...]
    """Values of (121058, DCM, Procedure reported)."""
    summaries: tuple[Code, ...]
    """Values of (111017, DCM, CAD Processing and Findings Summary), CID 6047."""
    library: tuple[Reference, ...]
    """Images of the Image Library (TID 1600)."""
    general: Group
    """What stands outside of any group: evaluations, comments, the algorithm of the whole."""
    groups: tuple[Group, ...]
    notes: tuple[Note, ...]
    """What was not understood; empty when all was."""

    @property
    def algorithms(self) -> tuple[ReadAlgorithm, ...]:
        """Each algorithm that the tree names, once."""
        named = [each for group in (self.general, *self.groups) for each in group.algorithms]
        return tuple(dict.fromkeys(named))
