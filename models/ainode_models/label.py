"""What a value of a label map means: name, codes and colour."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ainode_models.findings import Code
from ainode_models.table import Table

_FORMS: Mapping[str, str] = MappingProxyType(
    {"SCT": r"\d{6,18}", "DCM": r"\d{6}", "NCIt": r"C\d+", "RADLEX": r"RID\d+", "LN": r"\d+-\d"}
)
"""What the code values of the common schemes look like."""

_INSTEAD: Mapping[str, str] = MappingProxyType(
    {"SRT": "SCT", "SNM3": "SCT", "99SDM": "SCT", "NCIT": "NCIt", "RadLex": "RADLEX", "LOINC": "LN"}
)
"""Designators that PS3.16 section 8 retired, or spells otherwise."""

_CODE = 'such as {{ value = "{}", scheme = "SCT", meaning = "{}" }}'
MISSING_CODES: Mapping[str, str] = MappingProxyType(
    {
        "category": f"its kind (CID 7150), {_CODE.format('49755003', 'Morphologically Abnormal Structure')}",
        "type": f"what it is (CID 7151), {_CODE.format('79654002', 'Edema')}",
        "anatomy": f"where it is, {_CODE.format('12738006', 'Brain')}",
        "color": 'a colour such as "#e41a1c"',
    }
)
"""What to add where a key of a label or class is missing."""


@dataclass(frozen=True)
class Label:
    """One value of the label map."""

    value: int
    """1 to 255."""
    name: str
    """Shown to readers."""
    category: Code
    """Segmented Property Category (CID 7150)."""
    type: Code
    """Segmented Property Type (CID 7151)."""
    anatomy: Code
    """Anatomic region."""
    color: tuple[int, int, int]
    """sRGB, 0 to 255."""

    @classmethod
    def of(cls, table: Table) -> "Label":
        """Read one ``[[label]]``; raises `PackageError`."""
        table.expect(("value", "name", "category", "type", "anatomy", "color"), missing=MISSING_CODES)
        value = table.scalar("value", int)
        if not 1 <= value <= 255:
            raise table.fault("value", f"must be from 1 to 255, not {value}; 0 is the background")
        return cls(
            value=value,
            name=table.text("name"),
            category=code_of(table.table("category")),
            type=code_of(table.table("type")),
            anatomy=code_of(table.table("anatomy")),
            color=_color(table),
        )


def code_of(table: Table) -> Code:
    """Read ``{value, scheme, meaning}``; raises `PackageError` for what cannot be a code of that scheme."""
    table.expect(("value", "scheme", "meaning"))
    scheme = table.text("scheme", r"[A-Za-z0-9_]{1,16}", meaning="a CodingSchemeDesignator such as SCT")
    if scheme in _INSTEAD:
        raise table.fault("scheme", f"{scheme!r} is not used any more; write {_INSTEAD[scheme]!r}")
    value = table.text("value", r"[^\\\s]{1,64}", meaning="a code without spaces")
    if not re.fullmatch(_FORMS.get(scheme, r".*"), value):
        raise table.fault("value", f"{value!r} is no code of {scheme}; look it up in PS3.16")
    return Code(value, scheme, table.text("meaning", r"[^\\]{1,64}", meaning="1 to 64 characters"))


def labels_of(root: Table) -> tuple[Label, ...]:
    """Read every ``[[label]]``: values ascend, names differ; raises `PackageError`."""
    labels = tuple(Label.of(table) for table in root.tables("label"))
    values = [label.value for label in labels]
    if values != sorted(set(values)):
        raise root.fault("label", f"values must ascend and differ, not {values}")
    if len({label.name for label in labels}) < len(labels):
        raise root.fault("label", "two labels have the same name; readers could not tell them apart")
    return labels


def _color(table: Table) -> tuple[int, int, int]:
    digits = table.text("color", r"#[0-9a-fA-F]{6}", meaning="a colour like #ff0000")
    red, green, blue = bytes.fromhex(digits[1:])
    return red, green, blue
