"""The effective settings as TOML for people, without secrets."""

import json
from pathlib import Path

from ainode.settings.reader import LoadedSettings
from ainode.settings.schema import section_of
from ainode.settings.secret import Secret
from ainode.toml_lines import KeyPath


def toml_literal(value: object) -> str:
    """A settings value as TOML; secrets as ``"***"``, none as ``""``."""
    match value:
        case bool() | int() | float():
            return json.dumps(value)
        case tuple():
            return "[" + ", ".join(toml_literal(item) for item in value) + "]"
        case Secret():
            return json.dumps(value.shown())
        case None:
            return '""'
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def settings_toml(loaded: LoadedSettings) -> str:
    """Every field with its effective value, and a comment that says where it came from."""
    return "\n".join(_table(loaded, loaded.settings, ())).strip() + "\n"


def _table(loaded: LoadedSettings, section: object, path: KeyPath) -> list[str]:
    shape = section_of(type(section))
    lines = [_line(loaded, (*path, setting.name), getattr(section, setting.name)) for setting in shape.settings]
    for key in shape.tables:
        lines += ["", f"[{key}]", *_table(loaded, getattr(section, key), (*path, key))]
    for key in shape.arrays:
        header = ".".join([*(str(part) for part in path), key])
        for index, element in enumerate(getattr(section, key)):
            lines += ["", f"[[{header}]]", *_table(loaded, element, (*path, key, index))]
    return lines


def _line(loaded: LoadedSettings, path: KeyPath, value: object) -> str:
    return f"{f'{path[-1]} = {toml_literal(value)}':<60} # {loaded.origins[path]}"


def default_literal(value: object) -> str:
    """A default for the reference page, where paths stay relative."""
    return toml_literal(value.as_posix() if isinstance(value, Path) else value)
