"""An input that a package brings with it, and the answer that its model must give: ``[sample]`` of ``model.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from ainode_models.table import Table


@dataclass(frozen=True)
class Sample:
    """Files relative to the package; `ainode_models.sample_files` reads them."""

    inputs: Mapping[str, PurePosixPath]
    """By the name of the model's input."""
    answer: PurePosixPath

    @classmethod
    def of(cls, table: Table, names: tuple[str, ...]) -> "Sample":
        """Read ``[sample]`` of a model with the inputs ``names``; raises `PackageError`."""
        table.expect(("answer", "input"))
        inputs = table.table("input").expect(names)
        return cls(MappingProxyType({name: inputs.inner_path(name) for name in names}), table.inner_path("answer"))
