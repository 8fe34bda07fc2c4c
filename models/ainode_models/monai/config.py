"""A configuration file of a MONAI bundle as plain data: references are followed, nothing in it is evaluated."""

import itertools
import json
import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ainode_models.errors import PackageError, RuntimeUnavailable

TARGET = "_target_"
_MAGIC = (TARGET, "_disabled_", "_requires_", "_mode_", "_desc_")
_REFERENCE = re.compile(r"@\w+((::|#)\w+)*")
_LARGEST = 1 << 20
"""Bytes of a file; those of bundles have a few thousand."""
_DEEPEST = 24
"""Containers and references within each other; also what ends references that go round."""
_MOST = 20_000
"""Values below one, which bounds what references to references multiply."""


@dataclass(frozen=True)
class Component:
    """A class of MONAI and what it is made with."""

    target: str
    """Name of the class."""
    arguments: Mapping[str, Any]

    def as_config(self) -> dict[str, Any]:
        """As MONAI writes it."""
        return {TARGET: self.target, **self.arguments}


@dataclass(frozen=True)
class Config:
    """The content of one file, and where it stands for messages."""

    file: Path
    root: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> "Config":
        """Read JSON, or YAML by its suffix; raises `PackageError`."""
        try:
            if file.stat().st_size > _LARGEST:
                raise PackageError(f"{file}: is larger than {_LARGEST} bytes; that is no configuration of a bundle")
            text = file.read_text(encoding="utf-8")
            content = json.loads(text) if file.suffix == ".json" else _yaml(text, file)
        except OSError as exc:
            raise PackageError(f"{file}: cannot be read ({exc.strerror}); copy the bundle again") from exc
        except (ValueError, RecursionError) as exc:
            raise PackageError(f"{file}: cannot be read: {exc}; copy the bundle again") from exc
        if not isinstance(content, dict):
            raise PackageError(f"{file}: holds no table of keys; copy the bundle again")
        return cls(file, content)

    def entry(self, key: str) -> Any:
        """What stands at ``key`` of the root; raises `PackageError`."""
        if key not in self.root:
            raise self.fault(key, "missing; MONAI's Bundle Specification calls it so, add it")
        return self.root[key]

    def fault(self, place: str, problem: str) -> PackageError:
        """The error to raise for what stands at ``place``."""
        return PackageError(f"{self.file}: {place}: {problem}")

    def followed(self, value: Any, place: str) -> Any:
        """``value``, or what it refers to; raises `PackageError` for an expression, a macro, a broken reference."""
        for _ in range(_DEEPEST):
            if not isinstance(value, str):
                return value
            if value.startswith("$"):
                raise self.fault(place, f"is the expression {shown(value)}, which is not run; write its value there")
            if value.startswith("%"):
                raise self.fault(place, f"is the macro {shown(value)}, which is not followed; write what it stands for")
            if not value.startswith("@"):
                return value
            value = self._named(value, place)
        raise self.fault(place, "refers to itself, or through too many references; write its value there")

    def plain(self, value: Any, place: str) -> Any:
        """A copy of ``value`` without references: numbers, texts, truth values, None, lists and tables of them.

        Raises `PackageError` for everything else, and for what is too deep or too large.
        """
        return self._plain(value, place, depth=0, count=itertools.count())

    def table(self, value: Any, place: str) -> Mapping[str, Any]:
        """The table that ``value`` is, or refers to."""
        found = self.followed(value, place)
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            raise self.fault(place, f"must be a table, not {shown(found)}")
        return found

    def component(self, value: Any, place: str) -> tuple[str, Mapping[str, Any]]:
        """Target and arguments, not yet followed, of the component that ``value`` is, or refers to."""
        found = self.table(value, place)
        target = self.followed(found.get(TARGET), f"{place}.{TARGET}")
        if not isinstance(target, str):
            raise self.fault(place, f"names no class in {TARGET}; write one")
        if found.get("_requires_") or found.get("_mode_", "default") != "default":
            raise self.fault(place, "has _requires_ or _mode_, which are not followed; remove them")
        return target, {key: item for key, item in found.items() if key not in _MAGIC}

    def named(self, target: str, names: tuple[str, ...], module: str, *, place: str) -> str:
        """The name of the class that ``target`` is; raises `PackageError` unless ``module`` has it in ``names``."""
        prefix, _, name = target.rpartition(".")
        if name not in names or not (prefix in ("", module) or prefix.startswith(f"{module}.")):
            raise self.fault(
                f"{place}.{TARGET}",
                f"{target!r} is not run; of {module} there are: {', '.join(names)}. Remove it if the answer does not "
                "depend on it; otherwise this bundle cannot be imported",
            )
        return name

    def enabled(self, value: Any, place: str) -> Iterator[tuple[str, Any]]:
        """Place and content of each entry of the list ``value`` but those with ``_disabled_``."""
        entries = self.followed(value, place)
        if not isinstance(entries, list):
            raise self.fault(place, f"must be a list, not {shown(entries)}")
        for number, entry in enumerate(entries):
            where = f"{place}[{number}]"
            found = self.table(entry, where)
            disabled = self.followed(found.get("_disabled_", False), f"{where}._disabled_")
            if not isinstance(disabled, bool):
                raise self.fault(f"{where}._disabled_", f"must be true or false, not {shown(disabled)}")
            if not disabled:
                yield where, found

    def _named(self, reference: str, place: str) -> Any:
        if not _REFERENCE.fullmatch(reference):
            raise self.fault(place, f"refers to {reference!r}, which is no name of MONAI's form; write the value there")
        found: Any = self.root
        for part in re.split("::|#", reference[1:]):
            if isinstance(found, dict) and part in found:
                found = found[part]
            elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
                found = found[int(part)]
            else:
                raise self.fault(place, f"refers to {reference!r}, which is not there; write the value there")
        return found

    def _plain(self, value: Any, place: str, *, depth: int, count: Iterator[int]) -> Any:
        if depth > _DEEPEST or next(count) > _MOST:
            raise self.fault(place, "is too deep or too large, or refers to itself; write plain values there")
        found = self.followed(value, place)
        if found is None or isinstance(found, bool | int | str) or (isinstance(found, float) and math.isfinite(found)):
            return found
        if isinstance(found, list):
            return [
                self._plain(item, f"{place}[{number}]", depth=depth + 1, count=count)
                for number, item in enumerate(found)
            ]
        if not isinstance(found, dict):
            raise self.fault(place, f"must be a number, a text, true, false, a list or a table, not {shown(found)}")
        entries = self.table(found, place)
        if TARGET in entries:
            raise self.fault(place, f"makes an object of {shown(entries[TARGET])}; only plain values may stand there")
        return {key: self._plain(item, f"{place}.{key}", depth=depth + 1, count=count) for key, item in entries.items()}


def _yaml(text: str, file: Path) -> Any:
    if find_spec("yaml") is None:
        raise RuntimeUnavailable(f"{file}: PyYAML is not installed; install ainode[monai], or save it as JSON")
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise PackageError(f"{file}: is no valid YAML: {' '.join(str(exc).split())}; copy the bundle again") from exc


def shown(value: Any) -> str:
    """A value for messages, cut: a few references can make a list that no memory holds as text."""
    text = repr(value) if isinstance(value, str) else reprlib.repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
