"""A result folder converted for OpenVINO: ``python -m ainode_models.nnunet.conversion``."""

import sys
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ainode_models import openvino_cache
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.nnunet.head import exact_head
from ainode_models.nnunet.joined import sum_joined
from ainode_models.openvino_cache import Conversion, Converted, Request, place_of

if TYPE_CHECKING:
    from torch.nn import Module

_FORMAT = "nnunet 4"
"""To be counted up when what is written here changes."""


@dataclass(frozen=True)
class ConvertedFolder:
    """The network of each fold in the cache, and what the checkpoints say beside."""

    folds: tuple[Path, ...]
    configuration: str
    mirror_axes: tuple[int, ...]
    heads: int
    parameters: int
    """Of all folds."""

    @property
    def facts(self) -> dict[str, Any]:
        """All but the files, in JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "folds"}

    @classmethod
    def of(cls, found: Converted) -> "ConvertedFolder":
        """What `convert` has written."""
        facts = {**found.facts, "mirror_axes": tuple(found.facts["mirror_axes"])}
        return cls(folds=tuple(found.networks.values()), **facts)


def converted(folder: NnunetFolder) -> ConvertedFolder | None:
    """The networks of ``folder``, converted now unless they are in the cache; None when they cannot be.

    Raises `PackageError` when the files of the folder do not fit together.
    """
    files = [folder.path / "plans.json", folder.path / "dataset.json", *folder.checkpoints]
    place = place_of(_FORMAT, version("nnunetv2"), files=files)
    request = {"path": str(folder.path), "folds": folder.folds, "checkpoint": folder.checkpoint}
    found = Conversion(place, convert, request, framework="torch").result()
    return None if found is None else ConvertedFolder.of(found)


def convert(request: Request, place: Path) -> None:
    """See `Conversion.convert`. Takes torch and nnunetv2."""
    from ainode_models.nnunet import torch_engine
    from ainode_models.openvino_network import traced

    folder = NnunetFolder(
        Path(request["path"]), tuple(request["folds"]), request["checkpoint"], 0.5, mirroring=True, previous=None
    )
    loaded = torch_engine.read(folder)
    networks = torch_engine.folds_of(loaded)
    shape = (1, _channels(networks[0]), *loaded.configuration_manager.patch_size)
    said = ConvertedFolder(
        folds=(),
        configuration=torch_engine.configuration_of(loaded),
        mirror_axes=tuple(loaded.allowed_mirroring_axes or ()),
        heads=int(loaded.label_manager.num_segmentation_heads),
        parameters=sum(each.numel() for network in networks for each in network.parameters()),
    )
    models = {f"fold{number}": traced(network, *shape) for number, network in enumerate(networks)}
    for model in models.values():
        exact_head(model)
        sum_joined(model)
    openvino_cache.write(place, models, said.facts)


def _channels(network: "Module") -> int:
    """Of its input."""
    return int(next(network.parameters()).shape[1])


if __name__ == "__main__":
    sys.exit(openvino_cache.main(convert))
