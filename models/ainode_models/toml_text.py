"""Plain values as the text of a TOML file, in their order."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any


def toml_text(root: Mapping[str, Any]) -> str:
    """The file: tables below the root become ``[name]``, lists of tables ``[[name]]``, the rest stays in line."""
    plain = {key: value for key, value in root.items() if not _is_section(value)}
    sections = {key: value for key, value in root.items() if _is_section(value)}
    lines = [*_lines(plain)]
    for key, value in sections.items():
        for table in value if isinstance(value, list) else [value]:
            lines += ["", f"[[{key}]]" if isinstance(value, list) else f"[{key}]", *_lines(table)]
    return "\n".join(lines) + "\n"


def _is_section(value: Any) -> bool:
    """Codes, which are small tables, read better in one line."""
    if isinstance(value, Mapping):
        return "scheme" not in value
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_key(key)} = {_value(value)}" for key, value in table.items())


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_lines(value)) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value)  # texts, numbers and truth values are written alike in JSON and TOML
