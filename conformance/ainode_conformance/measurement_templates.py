"""Templates of a measurement and of its properties and sources (PS3.16 TID 300 to 321, 1419, 1420)."""

from pydicom.sr.coding import Code

from ainode_conformance.row import (
    CONTAINS,
    CONTEXT,
    INFERRED,
    MODIFIER,
    PROPERTY,
    SELECTED,
    Cid,
    Include,
    Row,
    Template,
)

METHOD = Code("370129005", "SCT", "Measurement Method")
DERIVATION = Code("121401", "DCM", "Derivation")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
LATERALITY = Code("272741003", "SCT", "Laterality")
TOPOGRAPHY = Code("106233006", "SCT", "Topographical modifier")
VALUE_MAP = Code("126100", "DCM", "Real World Value Map used for measurement")
_EQUIVALENT = Code("121050", "DCM", "Equivalent Meaning of Concept Name")
_REFERENCE_AUTHORITY = Code("121406", "DCM", "Reference Authority")
_RANGE_AUTHORITY = Code("121408", "DCM", "Normal Range Authority")


def finding_site(site: str, laterality: str, topography: str) -> Row:
    """The three rows of a finding site, by their numbers."""
    return Row(
        site,
        MODIFIER,
        "CODE",
        FINDING_SITE,
        vm="1-n",
        rows=(
            Row(laterality, MODIFIER, "CODE", LATERALITY, values=Cid(244)),
            Row(topography, MODIFIER, "CODE", TOPOGRAPHY),
        ),
    )


def _below(*rows: Row | Include) -> tuple[Row | Include, ...]:
    """What TID 300 and TID 1419 both have below the NUM, with ``rows``, which differ."""
    return (
        *rows,
        Include("310", PROPERTY, ("310",)),
        Row("inferred", INFERRED, "NUM", vm="1-n"),
        Row("equation", INFERRED, "CODE TEXT", Cid(228)),
        Row("equivalent", MODIFIER, "TEXT", _EQUIVALENT),
        Row("map", INFERRED, "COMPOSITE", VALUE_MAP),
        Include("4019", MODIFIER, ("4019",)),
        Row("modifier", MODIFIER, "CODE", vm="1-n"),
    )


_MEASUREMENT = Template(
    "300",
    (
        Row(
            "1",
            "",
            "NUM",
            need="M",
            rows=_below(
                Row("3", MODIFIER, "CODE", METHOD),
                Row("4", MODIFIER, "CODE", DERIVATION),
                finding_site("5", "6", "7"),
                Include("13", INFERRED, ("320",), vm="1-n"),
                Include("14", INFERRED, ("321",), vm="1-n"),
                Include("17", CONTEXT, ("4108",)),
            ),
        ),
    ),
)

_PROPERTIES = Template(
    "310",
    (
        Row("1", "", "CODE", Code("121402", "DCM", "Normality"), values=Cid(222)),
        Include("2", "", ("311",)),
        Include("3", "", ("312",)),
        Row("4", "", "CODE", Code("121403", "DCM", "Level of Significance"), values=Cid(220)),
        Row("5", "", "NUM", Cid(225), vm="1-n"),
        Row("6", "", "CODE", Code("121404", "DCM", "Selection Status"), values=Cid(224)),
    ),
)

_STATISTICS = Template(
    "311",
    (
        Row("1", "", "NUM", Cid(221), "M", "1-n"),
        Row("2", "", "TEXT", Code("121405", "DCM", "Population description")),
        Row("3", "", "TEXT CODE", _REFERENCE_AUTHORITY),
    ),
)

_NORMAL_RANGE = Template(
    "312",
    (
        Row("1", "", "NUM", Cid(223), "M", "1-n"),
        Row("2", "", "TEXT", Code("121407", "DCM", "Normal Range description")),
        Row("3", "", "TEXT CODE", _RANGE_AUTHORITY),
    ),
)

_IMAGE_OR_COORDINATES = Template(
    "320",
    (
        Row("1", "", "IMAGE", vm="1-n"),
        Row("3", "", "SCOORD", vm="1-n", rows=(Row("4", SELECTED, "IMAGE", need="M"),)),
        Row("6", "", "SCOORD3D", vm="1-n"),
    ),
)

_WAVEFORM_OR_COORDINATES = Template(
    "321",
    (
        Row("1", "", "WAVEFORM", vm="1-n"),
        Row("3", "", "TCOORD", vm="1-n", rows=(Row("4", SELECTED, "WAVEFORM SCOORD IMAGE", need="M"),)),
    ),
)

_ROI_MEASUREMENTS = Template(
    "1419",
    (
        Row("1", MODIFIER, "CODE", METHOD),
        finding_site("2", "3", "4"),
        Include("4b", MODIFIER, ("4019",)),
        Row(
            "5",
            CONTAINS,
            "NUM",
            vm="1-n",
            rows=_below(
                Row("7", MODIFIER, "CODE", METHOD),
                Row("8", MODIFIER, "CODE", DERIVATION),
                finding_site("9", "10", "11"),
            ),
        ),
    ),
)

_DERIVED = Template(
    "1420",
    (
        Row(
            "1",
            "",
            "NUM",
            Cid(7465),
            "M",
            rows=(
                Include("1b", MODIFIER, ("4019",)),
                Row("2", INFERRED, "CONTAINER", Code("125007", "DCM", "Measurement Group"), vm="1-n"),
                Include("4", PROPERTY, ("310",)),
            ),
        ),
    ),
)

MEASUREMENT_TEMPLATES = (
    _MEASUREMENT,
    _PROPERTIES,
    _STATISTICS,
    _NORMAL_RANGE,
    _IMAGE_OR_COORDINATES,
    _WAVEFORM_OR_COORDINATES,
    _ROI_MEASUREMENTS,
    _DERIVED,
)
