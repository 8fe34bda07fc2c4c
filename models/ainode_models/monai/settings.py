"""The table ``[monai]`` of ``model.toml``: the checked configuration, the weights, and what overlapping regions are."""

from dataclasses import dataclass

from ainode_models.manifest import Manifest
from ainode_models.table import Table


@dataclass(frozen=True)
class MonaiSettings:
    """Where things are; paths are relative to the package."""

    config: str
    """JSON in MONAI's words (`ainode_models.monai.pipeline`)."""
    weights: str
    """State dict of the network."""
    regions: tuple[int, ...]
    """Labels in the order in which they are painted, so that the last one wins; empty for a network with softmax."""

    @classmethod
    def of(cls, manifest: Manifest) -> "MonaiSettings":
        """Read the table; raises `PackageError` that names the key and what to change."""
        table = manifest.settings.expect(("config", "weights"), ("regions",))
        return cls(
            config=_listed(table, "config", r".*\.json", manifest),
            weights=_listed(table, "weights", r".*\.(pt|pth)", manifest),
            regions=_regions(table, manifest),
        )


def _listed(table: Table, key: str, pattern: str, manifest: Manifest) -> str:
    file = table.text(key, pattern, meaning=f"a file like {pattern.removeprefix('.*')}")
    if file not in [str(weights.path) for weights in manifest.weights]:
        raise table.fault(key, f"{file} is not listed in [[weights]]; add it with its sha256")
    return file


def _regions(table: Table, manifest: Manifest) -> tuple[int, ...]:
    given = table.entries.get("regions", [])
    values = [label.value for label in manifest.labels]
    if given and (not isinstance(given, list) or sorted(given, key=str) != sorted(values, key=str)):
        raise table.fault("regions", f"must be the values of [[label]], {values}, each once, the outermost first")
    return tuple(given)
