"""The ``AINODE_`` variables that override the settings file."""

import re
from collections.abc import Mapping

from ainode.settings.kinds import Kind
from ainode.spelling import did_you_mean
from ainode.toml_lines import KeyPath
from ainode_models.errors import SettingsError

PREFIX = "AINODE_"
OTHER_VARIABLES = frozenset({"AINODE_SETTINGS", "AINODE_TEST_DATA", "AINODE_TRACEBACK"})
"""Variables of this prefix that are no setting: the settings file, test data, tracebacks on errors."""


class Environment:
    """Looks variables up, and remembers which names it was asked for, so that a misspelt one is noticed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._asked: dict[str, KeyPath] = {}

    def variable(self, path: KeyPath, table: Mapping[str, object]) -> str | None:
        """Name of the variable of a field, ``AINODE_ARCHIVE_<NAME>_<FIELD>`` in a list of named tables.

        None for what a variable cannot set: the name itself, and the fields of tables without a name.
        """
        words = [str(key) for key in path]
        if any(isinstance(key, int) for key in path):
            name = table.get("name")
            if path[-1] == "name" or not isinstance(name, str):
                return None
            words = [name if isinstance(key, int) else key for key in path]
        return variable_name(*words)

    def claim(self, variable: str, path: KeyPath) -> bool:
        """Reserve a variable for one field; False when another field has it."""
        return self._asked.setdefault(variable, path) == path

    def holds(self, variable: str) -> bool:
        """Whether the environment has it."""
        return variable in self._environ

    def value(self, variable: str, kind: Kind) -> object:
        """The checked value; the message of the error names the variable, and not the value of a secret."""
        found = self._environ[variable]
        try:
            return kind.accept(kind.parse(found))
        except ValueError as exc:
            raise SettingsError(f"environment variable {variable}: {kind.shown(found)} is not {kind.expected}") from exc

    def refuse_unused(self) -> None:
        """Raise on the first ``AINODE_`` variable that no field asked for."""
        known = self._asked.keys() | OTHER_VARIABLES
        for name in sorted(self._environ):
            if name.startswith(PREFIX) and name not in known:
                hint = did_you_mean(name, sorted(known))
                raise SettingsError(f"environment variable {name}: sets nothing{hint}; {_how_to_name()}")


def variable_name(*words: str) -> str:
    """``AINODE_ARCHIVE_MY_PACS_URL`` from ``archive``, ``my-pacs``, ``url``."""
    return PREFIX + "_".join(re.sub(r"[^A-Za-z0-9]", "_", word).upper() for word in words)


def _how_to_name() -> str:
    return (
        "names are AINODE_<SECTION>_<FIELD>, such as AINODE_WEB_PORT, and for the [[archive]] and "
        "[[destination]] tables of the settings file AINODE_ARCHIVE_<NAME>_<FIELD>"
    )
