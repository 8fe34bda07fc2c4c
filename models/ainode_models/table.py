"""A table of a TOML file that is read strictly: every fault names the file, the key and the cure."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ainode_models.errors import PackageError

Scalar = TypeVar("Scalar", bool, int, float, str)

_NAMES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Table:
    """One table and where it stands."""

    file: Path
    where: str
    """Dotted place of the table in the file, empty for the root."""
    entries: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> "Table":
        """The root table of ``file``.

        Raises `PackageError` when it cannot be read or is no TOML.
        """
        try:
            return cls(file, "", tomllib.loads(file.read_text(encoding="utf-8")))
        except OSError as exc:
            raise PackageError(f"{file}: cannot be read ({exc.strerror}); a package needs this file") from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise PackageError(f"{file}: is no valid TOML: {exc}") from exc

    def expect(
        self, required: tuple[str, ...], optional: tuple[str, ...] = (), *, missing: Mapping[str, str] | None = None
    ) -> "Table":
        """Refuse missing and unknown keys; returns itself. ``missing`` says what to add, by key."""
        for key in self.entries:
            if key not in required + optional:
                raise self.fault(key, f"unknown; remove it, or use one of: {', '.join(required + optional)}")
        for key in required:
            if key not in self.entries:
                raise self.fault(key, f"missing; add {(missing or {}).get(key, 'it')}")
        return self

    def fault(self, key: str, problem: str) -> PackageError:
        """The error to raise for ``key``."""
        return PackageError(f"{self.file}: {self.place(key)}: {problem}")

    def place(self, key: str) -> str:
        """Dotted name of ``key`` in the file."""
        return f"{self.where}.{key}" if self.where else key

    def scalar(self, key: str, kind: type[Scalar], *, default: Scalar | None = None) -> Scalar:
        """The value of ``key``, exactly of ``kind`` (a whole number may stand for a number)."""
        value = self.entries.get(key, default)
        if kind is float and type(value) is int:
            return kind(value)
        if type(value) is not kind:
            raise self.fault(key, f"must be {_NAMES[kind]}, not {value!r}")
        return value

    def text(self, key: str, pattern: str = r"(?s).*\S.*", *, meaning: str = "a text that is not empty") -> str:
        """The text of ``key``, which must match ``pattern`` as a whole."""
        value = self.scalar(key, str)
        if not re.fullmatch(pattern, value):
            raise self.fault(key, f"must be {meaning}, not {value!r}")
        return value

    def inner_path(self, key: str) -> PurePosixPath:
        """The path below ``key``, which must stay inside the package."""
        path = PurePosixPath(self.text(key))
        if path.is_absolute() or ".." in path.parts or "\\" in str(path):
            raise self.fault(key, "must stay inside the package: relative, with '/', without '..'")
        return path

    def table(self, key: str) -> "Table":
        """The table below ``key``."""
        value = self.entries[key]
        if not isinstance(value, dict):
            raise self.fault(key, f"must be a table, not {value!r}")
        return Table(self.file, self.place(key), value)

    def tables(self, key: str) -> tuple["Table", ...]:
        """The tables of the array of tables ``[[key]]``; at least one."""
        value = self.entries[key]
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.fault(key, f"must be one or more tables, written [[{self.place(key)}]]")
        return tuple(Table(self.file, f"{self.place(key)}[{number}]", item) for number, item in enumerate(value))
