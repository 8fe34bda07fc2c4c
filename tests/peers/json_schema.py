"""The part of JSON Schema 2020-12 that descriptions of interfaces use; anything else in a schema is an error."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_WORDS = {
    *("$ref", "anyOf", "const", "enum", "type", "properties", "required", "additionalProperties", "items"),
    *("minimum", "maximum", "minLength", "maxLength", "pattern", "title", "description", "default"),
}


def faults(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], place: str = "$") -> Iterator[str]:
    """What is wrong with ``value``, each with its place; ``document`` is what ``$ref`` points into."""
    assert set(schema) <= _WORDS, set(schema) - _WORDS
    if "$ref" in schema:
        yield from faults(value, _target(schema["$ref"], document), document, place)
        return
    if "anyOf" in schema and all(any(faults(value, each, document, place)) for each in schema["anyOf"]):
        yield f"{place}: fits none of {schema['anyOf']}"
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        yield f"{place}: {value!r} is not among those allowed"
    kind = schema.get("type")
    if kind and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{place}: {value!r} is no {kind}"
        return
    if kind in ("number", "integer") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{place}: {value!r} is out of bounds"
    if kind == "string" and not _is_text(value, schema):
        yield f"{place}: {value!r} is too short, too long, or not of the pattern"
    if kind == "array":
        for number, each in enumerate(value):
            yield from faults(each, schema["items"], document, f"{place}[{number}]")
    if kind == "object":
        yield from _members(value, schema, document, place)


def _is_text(value: str, schema: Mapping[str, Any]) -> bool:
    fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    return fits and re.search(schema.get("pattern", ""), value) is not None


def _members(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], place: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place}: lacks {name}"
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, each in value.items():
        if name not in known and others is False:
            yield f"{place}: {name} is not described"
        elif name in known or others is not True:
            yield from faults(each, known.get(name, others), document, f"{place}.{name}")


def _target(reference: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    assert isinstance(found, dict)
    return found
