"""The content tree of an SR document, as the checkers walk it (PS3.3 C.17.3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code


@dataclass(frozen=True)
class ContentItem:
    """One content item and those below it."""

    ds: Dataset
    path: tuple[int, ...]
    """Positions from the root, each from 1, as in ``ReferencedContentItemIdentifier`` (0040,DB73)."""
    relation: str
    """``RelationshipType`` (0040,A010) with the parent; empty for the root."""
    children: tuple["ContentItem", ...] = field(default=(), repr=False)
    by_reference: bool = False
    """True where the parent only refers to the item, which stands elsewhere in the tree."""

    @cached_property
    def value_type(self) -> str:
        """``ValueType`` (0040,A040)."""
        return str(self.ds.get("ValueType") or "")

    @cached_property
    def name(self) -> Code | None:
        """The concept name; None where there is none, as an IMAGE may have."""
        return first_code(self.ds, "ConceptNameCodeSequence")

    @cached_property
    def value(self) -> Code | None:
        """The value of a CODE."""
        return first_code(self.ds, "ConceptCodeSequence")

    @cached_property
    def text(self) -> str:
        """The value of a TEXT or a UIDREF."""
        return str(self.ds.get("TextValue") or self.ds.get("UID") or "")

    @cached_property
    def template(self) -> str:
        """``TemplateIdentifier`` (0040,DB00) that a CONTAINER says of itself, or nothing."""
        items = self.ds.get("ContentTemplateSequence") or [Dataset()]
        return str(items[0].get("TemplateIdentifier") or "")

    def walk(self) -> Iterator["ContentItem"]:
        """This item and all below it, in their order; targets of references are not walked twice."""
        yield self
        for child in self.children:
            if not child.by_reference:
                yield from child.walk()

    def is_named(self, *names: Code) -> bool:
        """True if the concept name is one of ``names``."""
        return same_code(self.name, *names)

    def named(self, name: Code) -> Iterator["ContentItem"]:
        """Those children that have the concept name ``name``."""
        return (child for child in self.children if child.is_named(name))


def content_tree(ds: Dataset) -> ContentItem:
    """The tree of the SR document ``ds``; a reference to an item that is not there has no ``ValueType``."""
    return _item(ds, ds, (1,))


def same_code(found: Code | None, *wanted: Code) -> bool:
    """True if ``found`` is one of ``wanted``; SNOMED CT's old SRT codes are their new ones."""
    return found is not None and any(found == code for code in wanted)


def first_code(ds: Dataset, keyword: str) -> Code | None:
    """First item of a Code Sequence, without version, so that codes compare by value and scheme; else None."""
    for item in ds.get(keyword) or ():
        value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
        if value:
            return Code(str(value), str(item.get("CodingSchemeDesignator") or ""), str(item.get("CodeMeaning") or ""))
    return None


def _item(ds: Dataset, root: Dataset, path: tuple[int, ...]) -> ContentItem:
    children = tuple(_child(child, root, (*path, place)) for place, child in _numbered(ds))
    return ContentItem(ds, path, str(ds.get("RelationshipType") or ""), children)


def _child(ds: Dataset, root: Dataset, path: tuple[int, ...]) -> ContentItem:
    if "ReferencedContentItemIdentifier" not in ds:
        return _item(ds, root, path)
    target = _at(root, [int(place) for place in _several(ds.ReferencedContentItemIdentifier)][1:])
    return ContentItem(target, path, str(ds.get("RelationshipType") or ""), by_reference=True)


def _at(ds: Dataset, places: Sequence[int]) -> Dataset:
    for place in places:
        below = dict(_numbered(ds))
        if place not in below:
            return Dataset()
        ds = below[place]
    return ds


def _numbered(ds: Dataset) -> Iterator[tuple[int, Dataset]]:
    return enumerate(ds.get("ContentSequence") or (), start=1)


def _several(value: int | Sequence[int]) -> Sequence[int]:
    return [value] if isinstance(value, int) else value
