"""A DICOM attribute that a rule names, and its values in a header."""

import re
from dataclasses import dataclass

from pydicom import Dataset, Sequence
from pydicom.datadict import dictionary_VR, keyword_dict, keyword_for_tag, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from ainode.spelling import did_you_mean

_TAG = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)")
_PRIVATE = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{2}),([^\\)]{1,64})\)")
_NUMERIC_VRS = frozenset({"DS", "IS", "FL", "FD", "SL", "SS", "UL", "US", "SV", "UV", "US or SS"})
_TEXT_VRS = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}

Value = str | float


@dataclass(frozen=True)
class Attribute:
    """One attribute of the top level of a header (PS3.5 7.1)."""

    label: str
    """The keyword (PS3.6), or the tag as the rule gave it."""
    tag: BaseTag
    """The element; of a private one with a creator only the last two digits of the element count."""
    vr: str
    """Its value representation (PS3.5 6.2); empty when the dictionary does not know it."""
    private_creator: str = ""
    """Who reserved the block of a private element (PS3.5 7.8.1)."""

    @property
    def is_numeric(self) -> bool:
        """Whether it surely holds numbers."""
        return self.vr in _NUMERIC_VRS

    @property
    def is_text(self) -> bool:
        """Whether it surely holds text."""
        return self.vr in _TEXT_VRS

    @property
    def is_comparable(self) -> bool:
        """Whether it can hold a value that a rule can compare: not a sequence and not bytes."""
        return self.is_numeric or self.is_text or not self.vr

    def values(self, header: Dataset) -> tuple[Value, ...]:
        """Its values, numbers as numbers and text without padding; empty when absent, empty or unreadable."""
        try:
            found = self._element_value(header)
        except (ValueError, KeyError, NotImplementedError):
            return ()
        if isinstance(found, Sequence):
            return tuple("item" for _ in found)
        several = found if isinstance(found, MultiValue | list | tuple) else [found]
        values = (_plain(value) for value in several)
        return tuple(value for value in values if value != "")

    def _element_value(self, header: Dataset) -> object:
        if self.private_creator:
            block = header.private_block(self.tag.group, self.private_creator)
            return block[self.tag.element].value
        return header[self.tag].value


def parse_attribute(text: str) -> Attribute:
    """From a keyword, ``(gggg,eeee)``, or ``(gggg,ee,CREATOR)`` for a private element; raises ``ValueError``."""
    if text.startswith("("):
        return _from_tag(text)
    tag = tag_for_keyword(text)
    if tag is None:
        hint = did_you_mean(text, keyword_dict)
        raise ValueError(f"is no DICOM keyword{hint}; allowed: a keyword of PS3.6, or a tag in quotes: {_TAG_FORMS}")
    return Attribute(text, Tag(tag), dictionary_VR(tag))


_TAG_FORMS = '"(gggg,eeee)", or "(gggg,ee,CREATOR)" for a private element'


def _from_tag(text: str) -> Attribute:
    if found := _TAG.fullmatch(text):
        tag = Tag(int(found[1], 16), int(found[2], 16))
        keyword = keyword_for_tag(tag)
        return Attribute(keyword or text, tag, dictionary_VR(tag) if keyword else "")
    if found := _PRIVATE.fullmatch(text):
        group = int(found[1], 16)
        if group % 2 == 0:
            raise ValueError("is no private element: the group of those is odd")
        return Attribute(text, Tag(group, int(found[2], 16)), "", found[3].strip())
    raise ValueError(f"is no tag; allowed: {_TAG_FORMS}, in hexadecimal digits")


def years(age: str) -> float | None:
    """Years of an Age String such as ``006M`` (PS3.5 6.2, VR AS); None when it is none."""
    found = re.fullmatch(r"(\d{3})([DWMY])", age)
    return int(found[1]) * _YEARS[found[2]] if found else None


def _plain(value: object) -> Value:
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace").strip("\0")
    if isinstance(value, int | float):
        return float(value)
    return "" if value is None else str(value).strip()
