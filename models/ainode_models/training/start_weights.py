"""Where the weights of a net come from before it is trained."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

from ainode_models.cxr.lung_net import LungNet, load_lung_net
from ainode_models.cxr.nets import NETS, head_of
from ainode_models.cxr.seeded import completed
from ainode_models.cxr.settings import CxrSettings
from ainode_models.cxr.state_dict import read_state_dict
from ainode_models.errors import ConfigError, PackageError, RuntimeUnavailable
from ainode_models.package import MANIFEST, ModelPackage
from ainode_models.torchvision_import import torchvision_models

IMAGENET, NONE = "imagenet", "none"
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$")


def start_net(name: str, classes: int, weights: str) -> Any:
    """A net (``torch.nn.Module``) with random head and a body of ``weights``.

    ``weights``: ``imagenet`` (torchvision's, downloaded or from its cache), ``none`` (random), a model package with
    this net, or a folder that holds ``NAME*.pth``. Raises `ConfigError`, `PackageError` for a file that does not fit,
    `RuntimeUnavailable` offline.
    """
    net = NETS[name](classes)
    if weights == NONE:
        return net
    return _with_body(net, name, _state(name, net, weights), weights)


def start_lung_net(weights: str) -> LungNet | None:
    """The lung net of a model package; None where ``weights`` are none or it has none."""
    import torch

    if not is_package(weights):
        return None
    mask = CxrSettings.of(_package(weights)).mask
    return load_lung_net(mask, torch.device("cpu")) if mask else None


def is_package(weights: str) -> bool:
    """Whether the start weights are those of a model package."""
    return (Path(weights) / MANIFEST).is_file()


def _state(name: str, net: Any, weights: str) -> Mapping[str, Any]:
    if weights == IMAGENET:
        return _downloaded(name)
    if is_package(weights):
        return _of_package(_package(weights), name, net)
    return _from_file(_file_in(Path(weights), name))


def _package(weights: str) -> ModelPackage:
    package = ModelPackage.open(Path(weights))
    package.verify()
    return package


def _of_package(package: ModelPackage, name: str, net: Any) -> Mapping[str, Any]:
    settings = {each.name: each for each in CxrSettings.of(package).nets}
    if name not in settings:
        raise ConfigError(
            f"--weights {package.folder}: has no net {name}, only {', '.join(settings)}; choose of those with --net"
        )
    state, backbone = read_state_dict(settings[name].file), settings[name].backbone
    return completed(state, net, backbone=backbone, file=settings[name].file) if backbone else state


def _with_body(net: Any, name: str, state: Mapping[str, Any], source: str) -> Any:
    """The net with every weight of ``state`` except those of the head."""
    head = {f"{_head_name(name, net)}.{key}" for key in head_of(name, net).state_dict()}
    wanted = net.state_dict()
    counts = {key for key in wanted if key.endswith("num_batches_tracked")}  # older files do not have them
    body = {_OLD_DENSENET.sub(r"\1\2", key): value for key, value in state.items()}
    wrong = [key for key in wanted.keys() - head - counts if key not in body or body[key].shape != wanted[key].shape]
    if wrong:
        raise PackageError(
            f"{source}: holds no weights of {name} as torchvision writes them: {len(wrong)} of "
            f"{len(wanted) - len(head)} are missing or of another shape, first {min(wrong)}"
        )
    net.load_state_dict({key: value if key in head | counts else body[key] for key, value in wanted.items()})
    return net


def _head_name(name: str, net: Any) -> str:
    head = head_of(name, net)
    return next(str(key) for key, module in net.named_children() if module is head)


def _downloaded(name: str) -> Mapping[str, Any]:
    weights = torchvision_models().get_model_weights(name).DEFAULT
    try:
        state: Mapping[str, Any] = weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, TimeoutError, ConnectionError) as exc:
        raise RuntimeUnavailable(
            f"the ImageNet weights of {name} cannot be downloaded ({exc}). Fetch {weights.url} on a machine with a "
            "network, put the file into a folder, and name the folder: --weights FOLDER"
        ) from exc
    except RuntimeError as exc:
        raise RuntimeUnavailable(f"the ImageNet weights of {name} came damaged ({exc}); run the command again") from exc
    return state


def _file_in(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise ConfigError(f"--weights {folder}: is no folder; use imagenet, none, or a folder with {name}*.pth")
    files = sorted(folder.glob(f"{name}*.pth"))
    if len(files) != 1:
        raise ConfigError(f"--weights {folder}: must hold one file {name}*.pth, not {len(files)}")
    return files[0]


def _from_file(file: Path) -> Mapping[str, Any]:
    """A state dict; nothing in the file is run."""
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, OSError, RuntimeError, EOFError) as exc:
        raise PackageError(
            f"{file}: is no state dict of tensors only; save one with torch.save(net.state_dict())"
        ) from exc
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise PackageError(f"{file}: is no state dict; save one with torch.save(net.state_dict())")
    return state
