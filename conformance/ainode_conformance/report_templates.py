"""Measurement Report and its groups (PS3.16 TID 1410, 1411, 1500, 1501, 1502)."""

from pydicom.sr.coding import Code

from ainode_conformance.condition import AtLeastOne, ExactlyOne
from ainode_conformance.context_templates import TRACKING_ID, TRACKING_UID
from ainode_conformance.measurement_templates import METHOD, VALUE_MAP, finding_site
from ainode_conformance.row import CONTAINS, CONTEXT, MODIFIER, SELECTED, Cid, Include, Row, Template

IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
DERIVED_MEASUREMENTS = Code("126011", "DCM", "Derived Imaging Measurements")
EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
GROUP = Code("125007", "DCM", "Measurement Group")
PROCEDURE = Code("121058", "DCM", "Procedure reported")
CATEGORY = Code("276214006", "SCT", "Finding category")
FINDING = Code("121071", "DCM", "Finding")
REGION = Code("111030", "DCM", "Image Region")
SEGMENT_FRAME = Code("121214", "DCM", "Referenced Segmentation Frame")
SEGMENT = Code("121191", "DCM", "Referenced Segment")
SURFACE = Code("121231", "DCM", "Volume Surface")
SOURCE_IMAGE = Code("121233", "DCM", "Source image for segmentation")
SOURCE_SERIES = Code("121232", "DCM", "Source series for segmentation")
REGION_IN_SPACE = Code("130488", "DCM", "Region in Space")
EXPLANATION = Code("130401", "DCM", "Visual Explanation")
_SESSION = Code("C67447", "NCIt", "Activity Session")
_PURPOSE = Code("130400", "DCM", "Geometric purpose of region")
_ILLUSTRATION = Code("121200", "DCM", "Illustration of ROI")

_HEAD = (
    Row("1b", CONTEXT, "TEXT", _SESSION),
    Row("2", CONTEXT, "TEXT", TRACKING_ID, "M"),
    Row("3", CONTEXT, "UIDREF", TRACKING_UID, "M"),
    Row("3a", CONTAINS, "CODE", CATEGORY),
    Row("3b", CONTAINS, "CODE", FINDING),
)
"""Rows with which every group begins."""

_TAIL = (
    Row("map", CONTAINS, "COMPOSITE", VALUE_MAP),
    Row("explanation", CONTAINS, "IMAGE COMPOSITE", EXPLANATION, vm="1-n"),
    Row("evaluation", CONTAINS, "CODE", vm="1-n", rows=(Row("evaluation modifier", MODIFIER, "CODE", vm="1-n"),)),
    Row("text", CONTAINS, "TEXT", vm="1-n"),
)
"""Rows with which every group ends; their numbers differ from group to group."""


def _group(tid: str, rows: tuple[Row | Include, ...], *rules: ExactlyOne) -> Template:
    return Template(tid, (Row("1", "", "CONTAINER", GROUP, "M", rows=(*_HEAD, *rows, *_TAIL), rules=rules),))


_SELECTED_IMAGE = (Row("6", SELECTED, "IMAGE", need="M"),)

_PLANAR = _group(
    "1410",
    (
        Row("3c", CONTAINS, "CODE", _PURPOSE, values=Cid(219, "B")),
        Include("4", CONTEXT, ("1502",)),
        Row("5", CONTAINS, "SCOORD", REGION, "MC", rows=_SELECTED_IMAGE),
        Row("5b", CONTAINS, "SCOORD3D", REGION, "MC"),
        Row("7", CONTAINS, "IMAGE", SEGMENT_FRAME, "MC"),
        Row("7b", CONTAINS, "COMPOSITE IMAGE", REGION_IN_SPACE, "MC"),
        Row("8", CONTAINS, "IMAGE", SOURCE_IMAGE, "MC"),
        Row("9", CONTAINS, "IMAGE", _ILLUSTRATION),
        Include("11", CONTAINS, ("1419",)),
    ),
    ExactlyOne(("1410.5", "1410.5b", "1410.7", "1410.7b")),
    ExactlyOne(("1410.8",), given=("1410.7",)),
)

_VOLUMETRIC = _group(
    "1411",
    (
        Row("3c", CONTAINS, "CODE", _PURPOSE, values=Cid(219, "B")),
        Include("4", CONTEXT, ("1502",)),
        Row("5", CONTAINS, "SCOORD", REGION, "MC", "1-n", rows=_SELECTED_IMAGE),
        Row("7", CONTAINS, "IMAGE", SEGMENT, "MC"),
        Row("7b", CONTAINS, "COMPOSITE IMAGE", REGION_IN_SPACE, "MC"),
        Row("10", CONTAINS, "SCOORD3D", SURFACE, "MC", "1-n"),
        Row("11", CONTAINS, "IMAGE", SOURCE_IMAGE, "MC", "1-n"),
        Row("12", CONTAINS, "UIDREF", SOURCE_SERIES, "MC"),
        Row("13", CONTAINS, "IMAGE", _ILLUSTRATION, vm="1-n"),
        Include("15", CONTAINS, ("1419",)),
    ),
    ExactlyOne(("1411.7", "1411.5", "1411.7b", "1411.10")),
    ExactlyOne(("1411.12", "1411.11"), given=("1411.7", "1411.10")),
)

_WITHOUT_REGION = _group(
    "1501",
    (
        Include("4", CONTEXT, ("1502",)),
        Row("5", MODIFIER, "CODE", METHOD),
        finding_site("6", "7", "8"),
        Include("9b", MODIFIER, ("4019",)),
        Include("10", CONTAINS, ("300",), vm="1-n"),
        Row("10b", CONTAINS, "IMAGE", vm="1-n"),
        Row("10c", CONTAINS, "SCOORD", vm="1-n", rows=(Row("10d", SELECTED, "IMAGE", need="M"),)),
        Row("10e", CONTAINS, "SCOORD3D", vm="1-n"),
        Row("10f", CONTAINS, "WAVEFORM", vm="1-n"),
        Row("10g", CONTAINS, "TCOORD", vm="1-n", rows=(Row("10h", SELECTED, "WAVEFORM", need="M"),)),
    ),
)

_TIME_POINT = Template(
    "1502",
    (
        Row("1", CONTEXT, "TEXT", Code("126070", "DCM", "Subject Time Point Identifier")),
        Row("2", CONTEXT, "TEXT", Code("126071", "DCM", "Protocol Time Point Identifier")),
        Row("3", CONTEXT, "TEXT", Code("C2348792", "UMLS", "Time Point"), "M"),
        Row("4", CONTEXT, "CODE", Code("126072", "DCM", "Time Point Type"), vm="1-n", values=Cid(6146)),
        Row("5", CONTEXT, "NUM", Code("126073", "DCM", "Time Point Order")),
        Row(
            "6",
            CONTEXT,
            "NUM",
            Code("128740", "DCM", "Longitudinal Temporal Offset from Event"),
            rows=(Row("7", MODIFIER, "CODE", Code("128741", "DCM", "Longitudinal Temporal Event Type")),),
        ),
    ),
)

_REPORT = Template(
    "1500",
    (
        Row(
            "1",
            "",
            "CONTAINER",
            Cid(7021),
            "M",
            rows=(
                Include("2", MODIFIER, ("1204",)),
                Include("3", CONTEXT, ("1001",)),
                Row("4", MODIFIER, "CODE", PROCEDURE, "M", "1-n", values=Cid(100, "B")),
                Include("5", CONTAINS, ("1600",)),
                Row(
                    "6",
                    CONTAINS,
                    "CONTAINER",
                    IMAGING_MEASUREMENTS,
                    "MC",
                    rows=(
                        Include("6b", MODIFIER, ("4019",)),
                        Include("7", CONTAINS, ("1410", "1411", "1501"), vm="1-n"),
                    ),
                ),
                Row(
                    "10",
                    CONTAINS,
                    "CONTAINER",
                    DERIVED_MEASUREMENTS,
                    "MC",
                    rows=(Include("10b", MODIFIER, ("4019",)), Include("11", CONTAINS, ("1420",), vm="1-n")),
                ),
                Row(
                    "12",
                    CONTAINS,
                    "CONTAINER",
                    EVALUATIONS,
                    "MC",
                    rows=(
                        Include("12b", MODIFIER, ("4019",)),
                        Row("13", CONTAINS, "CODE", vm="1-n", rows=(Row("13b", MODIFIER, "CODE", vm="1-n"),)),
                        Row("14", CONTAINS, "TEXT", vm="1-n"),
                    ),
                ),
            ),
            rules=(AtLeastOne(("1500.6", "1500.10", "1500.12")),),
        ),
    ),
)

REPORT_TEMPLATES = (_PLANAR, _VOLUMETRIC, _WITHOUT_REGION, _TIME_POINT, _REPORT)
