"""Which version of a model is active, and which are retired: ``versions.json`` in the models folder."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ainode_models.durable import replace_file
from ainode_models.errors import PackageError

VERSIONS = "versions.json"

_NAME = r"[a-z0-9][a-z0-9-]*"
_VERSION = r"\d+\.\d+\.\d+"


@dataclass(frozen=True)
class VersionStates:
    """What was decided about versions; of a name that is not mentioned, the highest version is current."""

    active: Mapping[str, str]
    """Name to the version that a rule without a version follows."""
    retired: frozenset[str]
    """``name@version`` of those that make no new runs."""

    @classmethod
    def read(cls, models: Path) -> "VersionStates":
        """The states of a models folder; raises `PackageError` when the file is not what `write` wrote."""
        file = models / VERSIONS
        try:
            return _states(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls(MappingProxyType({}), frozenset())
        except (OSError, ValueError) as exc:
            raise PackageError(
                f"{file}: cannot be read ({exc}); mend it, or remove it and activate and retire the versions again"
            ) from exc

    def write(self, models: Path) -> None:
        """Replace the file of a models folder, durably."""
        content = {"active": dict(sorted(self.active.items())), "retired": sorted(self.retired)}
        replace_file(models / VERSIONS, (json.dumps(content, indent=2) + "\n").encode())

    def with_active(self, name: str, version: str) -> "VersionStates":
        """The same, but ``version`` is active, and not retired."""
        active = MappingProxyType({**self.active, name: version})
        return replace(self, active=active, retired=self.retired - {f"{name}@{version}"})

    def with_retired(self, name: str, version: str) -> "VersionStates":
        """The same, but ``version`` is retired, and not active."""
        active = {key: value for key, value in self.active.items() if (key, value) != (name, version)}
        return replace(self, active=MappingProxyType(active), retired=self.retired | {f"{name}@{version}"})


def _states(content: Any) -> VersionStates:
    if not isinstance(content, dict) or content.keys() != {"active", "retired"}:
        raise ValueError("it must hold 'active' and 'retired'")
    active, retired = content["active"], content["retired"]
    if not isinstance(active, dict) or not isinstance(retired, list):
        raise ValueError("'active' must map names to versions, 'retired' must be a list")  # noqa: TRY004 - one error for any fault of the file
    for reference in (*(f"{name}@{version}" for name, version in active.items()), *retired):
        if not re.fullmatch(f"{_NAME}@{_VERSION}", str(reference)):
            raise ValueError(f"{reference!r} is no name and version")
    return VersionStates(MappingProxyType(active), frozenset(retired))
