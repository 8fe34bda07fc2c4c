"""Parts of resources: ``_summary`` and ``_elements`` (https://hl7.org/fhir/R4/search.html#summary).

Which elements belong to a summary, and which are mandatory, is what the models of ``fhir.resources`` say, which are
made from the standard's own definitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from fhir.resources.R4B import get_fhir_model_class

from ainode_fhir.datatypes import Json

SUMMARIES = ("true", "text", "data", "count", "false")
SUBSETTED: Mapping[str, str] = MappingProxyType(
    {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "code": "SUBSETTED",
        "display": "subsetted",
    }
)
"""Tag of a resource that is not complete: nobody is to write it back."""
_ALWAYS = frozenset({"resourceType", "id", "meta"})


@dataclass(frozen=True)
class View:
    """What of each resource is shown; by default all."""

    summary: str | None = None
    """One of `SUMMARIES`."""
    elements: frozenset[str] = frozenset()
    """Top-level elements, beside the mandatory ones; empty for all."""

    @property
    def is_all(self) -> bool:
        """Whether all of each resource is shown."""
        return self.summary in (None, "false") and not self.elements

    def of(self, body: Json) -> Json:
        """The part of a resource that is shown, tagged when something may be missing."""
        kept = self._kept(body)
        if kept is None:
            return body
        meta = body.get("meta", {})
        tagged = {**meta, "tag": [*meta.get("tag", []), dict(SUBSETTED)]}
        return {"resourceType": body["resourceType"], "id": body["id"], "meta": tagged} | {
            name: value for name, value in body.items() if name in kept - _ALWAYS
        }

    @property
    def without_elements(self) -> "View":
        """The same for resources that come along, for which ``_elements`` is not meant."""
        return View(self.summary)

    def _kept(self, body: Json) -> frozenset[str] | None:
        kind: str = body["resourceType"]
        if self.summary == "true":
            return _summary(kind) | self.elements
        if self.summary == "text":
            return _mandatory(kind) | {"text"}
        if self.summary == "data":
            return frozenset(body) - {"text"}
        return _mandatory(kind) | self.elements if self.elements else None


def parse_view(kind: str, pairs: list[tuple[str, str]]) -> View:
    """The view that a read's parameters ask for; other parameters take no part."""
    view = View()
    for name, value in pairs:
        view = changed_view(view, kind, name, value) or view
    return view


def changed_view(view: View, kind: str, name: str, value: str) -> View | None:
    """``view`` as changed by ``_summary`` or ``_elements``; None for another name or an unknown summary."""
    if name == "_summary" and value in SUMMARIES:
        return replace(view, summary=value)
    if name == "_elements":
        paths = (path.removeprefix(f"{kind}.") for path in value.split(","))
        return replace(view, elements=view.elements | {path.partition(".")[0] for path in paths if path})
    return None


@cache
def _summary(kind: str) -> frozenset[str]:
    return frozenset(get_fhir_model_class(kind).summary_elements_sequence()) | _mandatory(kind)


@cache
def _mandatory(kind: str) -> frozenset[str]:
    fields = get_fhir_model_class(kind).model_fields.values()
    wanted = (each for each in fields if each.is_required() or _says(each.json_schema_extra, "element_required"))
    return frozenset(each.alias or "" for each in wanted)


def _says(extra: object, what: str) -> bool:
    return isinstance(extra, dict) and bool(extra.get(what))
