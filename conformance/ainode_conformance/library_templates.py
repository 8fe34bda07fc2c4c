"""Image library and its descriptors (PS3.16 TID 1600 to 1607)."""

from pydicom.sr.coding import Code

from ainode_conformance.condition import SaidOnce
from ainode_conformance.row import ACQUISITION, CONTAINS, MODIFIER, Cid, Include, Row, Template

_MODALITY = Code("121139", "DCM", "Modality")
_MILLIMETRE = Code("mm", "UCUM", "millimeter")
_COSINE = Code("{-1:1}", "UCUM", "{-1:1}")
_PIXELS = Code("{pixels}", "UCUM", "pixels")
_AXES = ("Row X", "Row Y", "Row Z", "Column X", "Column Y", "Column Z")


def _described(row: str, types: str, value: str, meaning: str, values: Code | Cid | None = None) -> Row:
    return Row(row, ACQUISITION, types, Code(value, "DCM", meaning), values=values)


def _spacing(horizontal: str, vertical: str) -> tuple[Row, Row]:
    return (
        _described(horizontal, "NUM", "111026", "Horizontal Pixel Spacing", _MILLIMETRE),
        _described(vertical, "NUM", "111066", "Vertical Pixel Spacing", _MILLIMETRE),
    )


_LIBRARY = Template(
    "1600",
    (
        Row(
            "1",
            "",
            "CONTAINER",
            Code("111028", "DCM", "Image Library"),
            "M",
            rows=(
                Row(
                    "2",
                    CONTAINS,
                    "CONTAINER",
                    Code("126200", "DCM", "Image Library Group"),
                    vm="1-n",
                    rows=(Include("3", ACQUISITION, ("1602",)), Include("4", CONTAINS, ("1601",), "M", "1-n")),
                    rules=(SaidOnce("1602.1", "1601.1", _MODALITY),),
                ),
            ),
        ),
    ),
)

_ENTRY = Template("1601", (Row("1", "", "IMAGE", need="M", rows=(Include("2", ACQUISITION, ("1602",)),)),))

_DESCRIPTORS = Template(
    "1602",
    (
        Row("1", ACQUISITION, "CODE", _MODALITY, "MC", values=Cid(29)),
        _described("2", "CODE", "123014", "Target Region", Cid(4031)),
        _described("3", "CODE", "111027", "Image Laterality", Cid(244)),
        _described("4", "DATE", "111060", "Study Date"),
        _described("5", "TIME", "111061", "Study Time"),
        _described("6", "DATE", "111018", "Content Date"),
        _described("7", "TIME", "111019", "Content Time"),
        _described("8", "DATE", "126201", "Acquisition Date"),
        _described("9", "TIME", "126202", "Acquisition Time"),
        _described("10", "UIDREF", "112227", "Frame of Reference UID"),
        _described("11", "NUM", "110910", "Pixel Data Rows", _PIXELS),
        _described("12", "NUM", "110911", "Pixel Data Columns", _PIXELS),
        *(Include(row, ACQUISITION, (tid,)) for row, tid in (("13", "1603"), ("14", "1604"), ("15", "1605"))),
        *(Include(row, ACQUISITION, (tid,)) for row, tid in (("16", "1606"), ("17", "1607"))),
    ),
)

_PROJECTION = Template(
    "1603",
    (
        Row(
            "1",
            ACQUISITION,
            "CODE",
            Code("111031", "DCM", "Image View"),
            rows=(Row("2", MODIFIER, "CODE", Code("111032", "DCM", "Image View Modifier"), vm="1-n"),),
        ),
        _described("3", "TEXT", "111044", "Patient Orientation Row"),
        _described("4", "TEXT", "111043", "Patient Orientation Column"),
        *_spacing("5", "6"),
        _described("7", "NUM", "112011", "Positioner Primary Angle"),
        _described("8", "NUM", "112012", "Positioner Secondary Angle"),
    ),
)

_CROSS_SECTION = Template(
    "1604",
    (
        *_spacing("1", "2"),
        _described("3", "NUM", "112226", "Spacing between slices", _MILLIMETRE),
        _described("4", "NUM", "112225", "Slice Thickness", _MILLIMETRE),
        *(
            _described(str(5 + place), "NUM", str(110901 + place), f"Image Position (Patient) {axis}", _MILLIMETRE)
            for place, axis in enumerate("XYZ")
        ),
        *(
            _described(str(8 + place), "NUM", str(110904 + place), f"Image Orientation (Patient) {axis}", _COSINE)
            for place, axis in enumerate(_AXES)
        ),
    ),
)

_CT = Template(
    "1605",
    (
        _described("1", "CODE", "113820", "CT Acquisition Type", Cid(10013)),
        _described("2", "CODE", "113961", "Reconstruction Algorithm", Cid(10033)),
    ),
)

_MR = Template("1606", (_described("1", "TEXT", "128230", "Pulse Sequence Name"),))

_PET = Template(
    "1607",
    (
        Row("1", ACQUISITION, "CODE", Code("89457008", "SCT", "Radionuclide"), values=Cid(4020)),
        Row("2", ACQUISITION, "CODE", Code("349358000", "SCT", "Radiopharmaceutical agent"), values=Cid(4021)),
        Row("3", ACQUISITION, "NUM", Code("304283002", "SCT", "Half-life of radiopharmaceutical")),
        _described("4", "DATETIME", "123003", "Radiopharmaceutical Start DateTime"),
        _described("6", "NUM", "123006", "Radionuclide Total Dose", Code("Bq", "UCUM", "Bq")),
    ),
)

LIBRARY_TEMPLATES = (_LIBRARY, _ENTRY, _DESCRIPTORS, _PROJECTION, _CROSS_SECTION, _CT, _MR, _PET)
