"""From one TOML file and the environment to ``Settings``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ainode.settings.environment import Environment
from ainode.settings.schema import Setting, section_of
from ainode.settings.whole import Settings
from ainode.spelling import allowed_hint
from ainode.toml_lines import KeyPath
from ainode.toml_source import TomlSource, key_label
from ainode_models.errors import ConfigError, SettingsError

DEFAULT_FILE = Path("ainode.toml")
DEFAULT_ORIGIN = "default"

_Section = TypeVar("_Section")


@dataclass(frozen=True)
class LoadedSettings:
    """The settings, and where each value came from."""

    settings: Settings
    source: TomlSource | None
    """The file; None when there is none and all values are defaults or from the environment."""
    origins: Mapping[KeyPath, str]
    """``default``, ``ainode.toml:12`` or ``AINODE_WEB_PORT``, for each field."""

    def refusal(self, path: KeyPath, message: str) -> ConfigError:
        """The error to raise about a field: it names the place that gave the value."""
        data = self.source.data if self.source else {}
        origin = self.origins.get(path, DEFAULT_ORIGIN)
        if origin == DEFAULT_ORIGIN:
            origin = self.source.place(path) if self.source else "settings"
        return SettingsError(f"{origin}: {key_label(path, data)}: {message}")


def read_settings(path: Path | None, environ: Mapping[str, str]) -> LoadedSettings:
    """Settings of the file, overridden by ``AINODE_`` variables, not yet checked against each other.

    Without ``path``, ``ainode.toml`` of the current folder is taken when it is there. Relative paths count
    from the folder of the file, without one from the current folder.
    """
    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    source = TomlSource.read(path, SettingsError) if path else None
    folder = path.absolute().parent if path else Path.cwd()
    return _Reader(source, folder, Environment(environ)).read()


class _Reader:
    def __init__(self, source: TomlSource | None, folder: Path, environment: Environment) -> None:
        self._source = source
        self._folder = folder
        self._environment = environment
        self._origins: dict[KeyPath, str] = {}

    def read(self) -> LoadedSettings:
        settings = self._section(Settings, self._source.data if self._source else {}, ())
        self._environment.refuse_unused()
        return LoadedSettings(settings, self._source, self._origins)

    def _refusal(self, path: KeyPath, message: str) -> ConfigError:
        return self._source.refusal(path, message) if self._source else SettingsError(message)

    def _section(self, cls: type[_Section], table: object, path: KeyPath) -> _Section:
        if not isinstance(table, dict):
            raise self._refusal(path, f"must be a table: write [{path[-1]}] on a line of its own")
        section = section_of(cls)
        for key in table:
            if key not in section.keys:
                raise self._refusal((*path, key), f"unknown key; {allowed_hint(key, section.keys)}")
        values: dict[str, Any] = {
            setting.name: self._value(setting, table, (*path, setting.name)) for setting in section.settings
        }
        for key, inner in section.tables.items():
            values[key] = self._section(inner, table.get(key, {}), (*path, key))
        for key, inner in section.arrays.items():
            values[key] = self._array(inner, table.get(key, []), (*path, key))
        return cls(**values)

    def _array(self, cls: type[_Section], tables: object, path: KeyPath) -> tuple[_Section, ...]:
        if not isinstance(tables, list):
            header = ".".join(str(key) for key in path)
            raise self._refusal(path, f"must be a list of tables: write [[{header}]], with two brackets")
        return tuple(self._section(cls, table, (*path, index)) for index, table in enumerate(tables))

    def _value(self, setting: Setting, table: Mapping[str, object], path: KeyPath) -> object:
        variable = self._environment.variable(path, table)
        if variable is not None and self._is_set(variable, path):
            self._origins[path] = variable
            value = self._environment.value(variable, setting.kind)
        elif setting.name in table:
            self._origins[path] = self._source.place(path) if self._source else ""
            value = self._accepted(setting, table[setting.name], path)
        elif setting.required:
            raise self._refusal(path, f"is missing; expected {setting.kind.expected}")
        else:
            self._origins[path] = DEFAULT_ORIGIN
            value = setting.default
        return self._folder / value if isinstance(value, Path) else value

    def _is_set(self, variable: str, path: KeyPath) -> bool:
        if self._environment.claim(variable, path):
            return self._environment.holds(variable)
        raise self._refusal(
            (*path[:-1], "name"),
            f"{variable} would also set a field of another table; choose a name that differs in more than "
            "capitals, - and _",
        )

    def _accepted(self, setting: Setting, value: object, path: KeyPath) -> object:
        try:
            return setting.kind.accept(value)
        except ValueError as exc:
            raise self._refusal(path, f"{setting.kind.shown(value)} is not {setting.kind.expected}") from exc
