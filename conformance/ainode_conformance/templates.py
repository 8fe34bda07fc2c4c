"""All templates that are checked, by their number, and what they say of a concept wherever it stands."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from pydicom.sr.coding import Code

from ainode_conformance.content import ContentItem
from ainode_conformance.context_templates import CONTEXT_TEMPLATES
from ainode_conformance.library_templates import LIBRARY_TEMPLATES
from ainode_conformance.measurement_templates import MEASUREMENT_TEMPLATES
from ainode_conformance.report_templates import REGION, REPORT_TEMPLATES, SEGMENT, SEGMENT_FRAME, SURFACE
from ainode_conformance.row import Include, Row, Template

TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        template.tid: template
        for template in (*CONTEXT_TEMPLATES, *MEASUREMENT_TEMPLATES, *LIBRARY_TEMPLATES, *REPORT_TEMPLATES)
    }
)


def group_template(item: ContentItem) -> str:
    """The template that a measurement group follows: the one that it names, else the one that its content fits."""
    if item.template in ("1410", "1411", "1501"):
        return item.template
    regions = sum(child.value_type in ("SCOORD", "SCOORD3D") for child in item.named(REGION))
    if regions > 1 or any(list(item.named(name)) for name in (SEGMENT, SURFACE)):
        return "1411"
    return "1410" if regions or list(item.named(SEGMENT_FRAME)) else "1501"


def usual_types(name: Code) -> frozenset[str]:
    """The value types that templates give to the concept ``name``; none for one that they do not name."""
    return _TYPES.get((name.value, name.scheme_designator), frozenset())


def _named_rows(rows: Iterable[Row | Include]) -> Iterator[tuple[Code, str]]:
    for row in rows:
        if isinstance(row, Row):
            if isinstance(row.name, Code):
                yield row.name, row.types
            yield from _named_rows(row.rows)


def _types() -> Mapping[tuple[str, str], frozenset[str]]:
    found: dict[tuple[str, str], frozenset[str]] = {}
    for template in TEMPLATES.values():
        for name, types in _named_rows(template.rows):
            key = name.value, name.scheme_designator
            found[key] = found.get(key, frozenset()) | frozenset(types.split())
    return MappingProxyType(found)


_TYPES = _types()
