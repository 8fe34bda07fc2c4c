"""A TOML file that can say on which line each of its keys stands."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ainode.toml_lines import KeyPath, key_lines
from ainode_models.errors import ConfigError

_TOML_POSITION = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True)
class TomlSource:
    """A parsed TOML document (TOML 1.0.0) and where it came from."""

    path: Path
    """As the user gave it; errors begin with it."""
    data: Mapping[str, Any]
    """What ``tomllib`` made of the document."""
    error: type[ConfigError]
    """What ``refusal`` makes."""
    lines: Mapping[KeyPath, int] = field(repr=False)
    """Line of every key, from 1."""

    @classmethod
    def read(cls, path: Path, error: type[ConfigError]) -> "TomlSource":
        """Parse the file; raises ``error`` with file and line when it cannot be read or is not TOML."""
        text = _text(path, error)
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise error(_syntax_message(path, text, str(exc))) from exc
        return cls(path, data, error, key_lines(text))

    def line_of(self, path: KeyPath) -> int:
        """Line of a key, or of the nearest table around it; 1 for the document itself."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.lines:
                return self.lines[path[:depth]]
        return 1

    def place(self, path: KeyPath) -> str:
        """``ainode.toml:12``: the file and line of a key."""
        return f"{self.path}:{self.line_of(path)}"

    def refusal(self, path: KeyPath, message: str) -> ConfigError:
        """The error to raise about a key: ``ainode.toml:12: [dicom] port: message``."""
        return self.error(f"{self.place(path)}: {key_label(path, self.data)}: {message}")


def key_label(path: KeyPath, data: Mapping[str, Any]) -> str:
    """A key for people: ``[dicom] port``, ``[[archive]] 'orthanc' url``, ``[[dicom.caller]] 2 address``."""
    index = next((depth for depth, key in enumerate(path) if isinstance(key, int)), None)
    if index is None:
        return f"[{path[0]}] {_dotted(path[1:])}".strip() if path else "the file"
    element = _element_name(path[: index + 1], data)
    return f"[[{_dotted(path[:index])}]] {element} {_dotted(path[index + 1 :])}".strip()


def _dotted(path: KeyPath) -> str:
    return ".".join(str(key) for key in path)


def _element_name(path: KeyPath, data: Any) -> str:
    element = data
    for key in path:
        element = element[key]
    name = element.get("name") if isinstance(element, dict) else None
    return repr(name) if isinstance(name, str) and name else str(int(path[-1]) + 1)


def _text(path: Path, error: type[ConfigError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise error(f"{path}: is not UTF-8 text, which TOML must be") from exc
    except OSError as exc:
        raise error(f"{path}: cannot be read: {exc.strerror}") from exc


def _syntax_message(path: Path, text: str, message: str) -> str:
    position = _TOML_POSITION.search(message)
    line = int(position[1]) if position and position[1] else text.rstrip().count("\n") + 1
    return f"{path}:{line}: not valid TOML: {_TOML_POSITION.sub('', message)}"
