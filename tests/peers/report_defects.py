"""Defects that are put into a valid report of ours and its segmentation, and the rule that must name each."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage, EnhancedSRStorage

Change = Callable[[Dataset, Dataset], None]
"""Changes a report and its segmentation."""

GROUP, LIBRARY, MEASUREMENTS, EVALUATIONS = "125007", "126200", "126010", "C0034375"
FINDING, ABSENT, SUMMARY, SEGMENT, VOLUME = "121071", "373572006", "111017", "121191", "118565006"


@dataclass(frozen=True)
class Defect:
    """One change and the rule that it breaks."""

    rule: str
    change: Change
    base: str = "found"
    """Which report is changed: ``found`` or ``partial`` (with a segmentation), ``nothing`` or ``failed``."""


def below(ds: Dataset) -> Iterator[tuple[Dataset, Dataset]]:
    """Every content item below ``ds``, after its parent."""
    for item in ds.get("ContentSequence", ()):
        yield ds, item
        yield from below(item)


def pair(ds: Dataset, code: str, place: int = 0) -> tuple[Dataset, Dataset]:
    """Parent and item of the concept ``code``, the one at ``place`` among them."""
    return [(parent, item) for parent, item in below(ds) if item.ConceptNameCodeSequence[0].CodeValue == code][place]


def find(ds: Dataset, code: str, place: int = 0) -> Dataset:
    return pair(ds, code, place)[1]


def coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code[:3]
    return item


def content(relation: str, kind: str, name: Code, **values: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.ConceptNameCodeSequence = relation, kind, [coded(name)]
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def removed(code: str, place: int = 0) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        parent, item = pair(sr, code, place)
        parent.ContentSequence = [other for other in parent.ContentSequence if other is not item]

    return change


def doubled(code: str) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        parent, item = pair(sr, code)
        parent.ContentSequence.append(deepcopy(item))

    return change


def added(code: str, item: Dataset, place: int = 0) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        parent = find(sr, code, place)
        parent.ContentSequence = [*parent.get("ContentSequence", ()), deepcopy(item)]

    return change


def changed(code: str, place: int = 0, **values: object) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        for keyword, value in values.items():
            setattr(find(sr, code, place), keyword, value)

    return change


def valued(code: str, value: Code, place: int = 0) -> Change:
    return changed(code, place, ConceptCodeSequence=[coded(value)])


def header(**values: object) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        for keyword, value in values.items():
            setattr(sr, keyword, value)

    return change


def equipped(**values: object) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        for keyword, value in values.items():
            setattr(sr.ContributingEquipmentSequence[0], keyword, value)

    return change


def unit(*codes: Code) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        measured = find(sr, VOLUME).MeasuredValueSequence[0]
        measured.MeasurementUnitsCodeSequence = [coded(code) for code in codes]

    return change


def referring(**values: object) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        for keyword, value in values.items():
            setattr(find(sr, SEGMENT).ReferencedSOPSequence[0], keyword, value)

    return change


def in_segment(**values: object) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        for keyword, value in values.items():
            setattr(seg.SegmentSequence[0], keyword, value)

    return change


def moved(code: str, to: str | None) -> Change:
    """To the container ``to``, or to the root."""

    def change(sr: Dataset, seg: Dataset) -> None:
        parent, item = pair(sr, code)
        parent.ContentSequence = [other for other in parent.ContentSequence if other is not item]
        (sr if to is None else find(sr, to)).ContentSequence.append(item)

    return change


def all_of(*changes: Change) -> Change:
    def change(sr: Dataset, seg: Dataset) -> None:
        for one in changes:
            one(sr, seg)

    return change


def misnumbered(sr: Dataset, seg: Dataset) -> None:
    element = DataElement("DeviceUID", "UI", "model 7", validation_mode=IGNORE)
    sr.ContributingEquipmentSequence[0].add(element)


def another_model(sr: Dataset, seg: Dataset) -> None:
    """A second algorithm, whose version the tree gives to the first."""
    second = deepcopy(sr.ContributingEquipmentSequence[0])
    second.ManufacturerModelName, second.SoftwareVersions = "other", "9"
    sr.ContributingEquipmentSequence.append(second)
    find(sr, "111003").TextValue = "9"


_DANGLING = Dataset()
_DANGLING.RelationshipType, _DANGLING.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 99]
_POINT = {"GraphicType": "POINT", "GraphicData": [1.0, 2.0]}
_COUNTRY, _SITE = Code("121046", "DCM", "Country of Language"), "363698007"
_LATERALITY, _LEFT_FOOT = Code("272741003", "SCT", "Laterality"), Code("22335008", "SCT", "Left foot")
_SCOORD = content("CONTAINS", "SCOORD", Code("121055", "DCM", "Path"), **_POINT)
_SCOORD3D = content("CONTAINS", "SCOORD3D", Code("121055", "DCM", "Path"), GraphicType="POINT")
_TCOORD = content("CONTAINS", "TCOORD", Code("121112", "DCM", "Source of Measurement"), TemporalRangeType="POINT")
_IMAGE_AS_SERIES = content("CONTAINS", "IMAGE", Code("121232", "DCM", "Source series for segmentation"))
_OUTCOME = Code("111241", "DCM", "All algorithms succeeded; without findings")

DEFECTS = (
    Defect("TID1500.1.value-type", header(ValueType="TEXT")),
    Defect("TID1500.1.value-set", header(ConceptNameCodeSequence=[coded(Code("18748-4", "LN", "Report"))])),
    Defect("TID1500.4.missing", removed("121058")),
    Defect("TID1500.6.condition", all_of(removed(MEASUREMENTS), removed(EVALUATIONS))),
    Defect("TID1600.1.multiplicity", doubled("111028")),
    Defect("TID1601.1.missing", lambda sr, seg: delattr(find(sr, LIBRARY), "ContentSequence")),
    Defect("TID1602.1.condition", removed("121139")),
    Defect("TID1602.1.value-set", valued("121139", Code("ZZ", "99X", "?"))),
    Defect("TID1204.1.relationship", changed("121049", RelationshipType="CONTAINS")),
    Defect("TID1204.1.extra", added("121049", content("HAS CONCEPT MOD", "TEXT", _LATERALITY, TextValue="x"))),
    Defect("TID1204.2.relationship", added("121049", content("HAS PROPERTIES", "CODE", _COUNTRY))),
    Defect("TID1002.1.value-set", valued("121005", Code("121025", "DCM", "Patient"))),
    Defect("TID1003.1.condition", valued("121005", Code("121006", "DCM", "Person"))),
    Defect("TID1004.1.condition", removed("121005")),
    Defect("TID1004.1.missing", removed("121012")),
    Defect("TID1004.3.value-type", changed("121014", ValueType="CODE")),
    Defect("TID1411.2.missing", removed("112039")),
    Defect("TID1411.3.missing", removed("112040")),
    Defect("TID1501.3.missing", removed("112040", 2)),
    Defect("TID1501.10h.missing", added(GROUP, _TCOORD, 2)),
    Defect("TID1411.3b.multiplicity", doubled(FINDING)),
    Defect("TID1411.3b.relationship", changed(FINDING, RelationshipType="HAS CONCEPT MOD")),
    Defect("TID1411.7.condition", removed(SEGMENT)),
    Defect("TID1411.12.condition", removed("121232")),
    Defect("TID1411.12.value-type", changed("121232", ValueType="TEXT")),
    Defect("TID1419.2.relationship", changed(_SITE, RelationshipType="CONTAINS")),
    Defect(
        "TID1419.3.value-set",
        added(_SITE, content("HAS CONCEPT MOD", "CODE", _LATERALITY, ConceptCodeSequence=[coded(_LEFT_FOOT)])),
    ),
    Defect("TID1419.8.multiplicity", doubled("121401")),
    Defect("TID4019.2.missing", removed("111003")),
    Defect("CODE.value-type", added(GROUP, _IMAGE_AS_SERIES, 2)),
    Defect("CODE.dcm", valued("121058", Code("429931008", "DCM", "CT of kidney"))),
    Defect("CODE.sct", valued(ABSENT, Code("23360400", "SCT", "Pneumonia"))),
    Defect("UCUM.unit", unit(Code("furlong", "UCUM", "furlong"))),
    Defect("UCUM.scheme", unit(Code("mL", "SI", "millilitre"))),
    Defect("UCUM.missing", unit()),
    Defect("IOD.relationship", changed(VOLUME, RelationshipType="HAS PROPERTIES")),
    Defect("IOD.reference", added(VOLUME, _DANGLING)),
    Defect("AIR.A1.missing", equipped(PurposeOfReferenceCodeSequence=[coded(Code("Newcode1", "99IHE", "Processing"))])),
    Defect("AIR.A1.purpose", equipped(PurposeOfReferenceCodeSequence=[])),
    Defect("AIR.A1.manufacturer", equipped(Manufacturer="")),
    Defect("AIR.A1.model", equipped(ManufacturerModelName="")),
    Defect("AIR.A1.software", equipped(SoftwareVersions="")),
    Defect("AIR.A1.device-uid", equipped(DeviceUID="")),
    Defect("AIR.A2.pair", another_model),
    Defect("AIR.A3.manufacturer", changed("121014", TextValue="somebody else")),
    Defect("AIR.A3.model", changed("121015", TextValue="something else")),
    Defect("AIR.A3.version", changed("111003", TextValue="0.0")),
    Defect("AIR.A3.device-uid", changed("121012", UID="2.25.1")),
    Defect("AIR.A4.uid", misnumbered),
    Defect("AIR.A5.missing", header(ContentDate="")),
    Defect("AIR.A5.late", header(InstanceCreationDate="20010101", InstanceCreationTime="000000")),
    Defect("AIR.A6.sop-class", header(SOPClassUID=EnhancedSRStorage)),
    Defect("AIR.A6.template", header(ContentTemplateSequence=[])),
    Defect("AIR.A7.outside", moved(VOLUME, EVALUATIONS)),
    Defect("AIR.A7.group", moved(GROUP, None)),
    Defect("AIR.A8.region", added(GROUP, _SCOORD)),
    Defect("AIR.A8.frame", added(GROUP, _SCOORD3D)),
    Defect("AIR.A9.sop-class", referring(ReferencedSOPClassUID=CTImageStorage)),
    Defect("AIR.A9.segment", referring(ReferencedSegmentNumber=None)),
    Defect("AIR.A10.segment-id", in_segment(TrackingID="")),
    Defect("AIR.A10.segment-uid", in_segment(TrackingUID="")),
    Defect("AIR.A10.pair-uid", in_segment(TrackingUID="2.25.9")),
    Defect("AIR.A10.pair-segment", referring(ReferencedSegmentNumber=77)),
    Defect("AIR.A12.missing", header(Manufacturer="")),
    Defect("AIR.A12.same", header(ManufacturerModelName="brain-tumour-demo")),
    Defect("AIR.observation-uid", lambda sr, seg: delattr(find(sr, GROUP), "ObservationUID")),
    Defect("AIR.flags.verified", header(VerificationFlag="VERIFIED")),
    Defect("AIR.flags.preliminary", header(PreliminaryFlag="FINAL")),
    Defect("AIR.flags.completion", header(CompletionFlag="")),
    Defect("AIR.summary.missing", removed(SUMMARY)),
    Defect("AIR.summary.code", valued(SUMMARY, Code("111222", "DCM", "Succeeded"))),
    Defect("AIR.summary.findings", valued(SUMMARY, _OUTCOME)),
    Defect("AIR.summary.nothing", valued(SUMMARY, Code("111242", "DCM", "with findings")), "nothing"),
    Defect("AIR.summary.completion", header(CompletionFlag="COMPLETE"), "failed"),
    Defect("AIR.partial.complete", header(CompletionFlag="COMPLETE"), "partial"),
    Defect("AIR.summary.completion", valued(SUMMARY, Code("111242", "DCM", "All algorithms succeeded")), "partial"),
    Defect("AIR.summary.findings", valued(SUMMARY, Code("111243", "DCM", "without findings")), "partial"),
    Defect("AIR.partial.empty", valued(SUMMARY, Code("111243", "DCM", "Not all algorithms succeeded")), "failed"),
    Defect("AIR.partial.unsaid", header(CompletionFlagDescription=""), "partial"),
    Defect("AIR.negative.failed", valued(SUMMARY, Code("111245", "DCM", "No algorithms succeeded")), "nothing"),
    Defect("AIR.negative.group", valued(SUMMARY, Code("111245", "DCM", "No algorithms succeeded")), "nothing"),
)
