"""Checkpoints of the nets: read without running code, loaded key by key, every mismatch named with its cure."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ainode_models.cxr.nets import NETS
from ainode_models.errors import PackageError

_WRAPPERS = ("state_dict", "model_state_dict")
_PARALLEL = "module."
_LAYERS = "the layers that it must have are in ainode_models/cxr; rename the keys, or train that net"


def read_state_dict(path: Path) -> dict[str, Any]:
    """Names and tensors of a checkpoint: plain, or under ``state_dict`` or ``model_state_dict``.

    The prefix ``module.`` of ``DataParallel`` is taken off. Raises `PackageError` for anything else, code included.
    """
    content = _load(path)
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise PackageError(f"{path}: holds no state dict; save it with torch.save(net.state_dict(), path)")
    return {str(key).removeprefix(_PARALLEL): _finite(path, str(key), value) for key, value in content.items()}


def load_strictly(net: Any, state: Mapping[str, Any], *, name: str, file: Path, classes: int) -> None:
    """Put ``state`` into ``net``, which must have exactly its keys and shapes.

    ``name`` is that of the net in `NETS`. Raises `PackageError` that says which key or shape differs, and what to do.
    """
    last = list(net.state_dict())[-2:]
    for key in last:
        given, wanted = (tuple(each[key].shape) if key in each else () for each in (state, net.state_dict()))
        if given and given[0] != wanted[0] and given[1:] == wanted[1:]:
            raise PackageError(
                f"{file}: {key} answers for {given[0]} classes, but model.toml has {classes} [[class]]; list as many "
                "classes, in the order of training, or take the checkpoint that was trained for these"
            )
    load_named(net, state, name=name, file=file)


def load_named(net: Any, state: Mapping[str, Any], *, name: str, file: Path) -> None:
    """`load_strictly` for a net without classes."""
    own = net.state_dict()
    missing, unknown = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or unknown:
        raise PackageError(f"{file}: is no state dict of {name}: {_keys(missing, unknown)}. {_cure(state, name)}")
    for key, tensor in own.items():
        given, wanted = tuple(state[key].shape), tuple(tensor.shape)
        if given != wanted:
            raise PackageError(f"{file}: {key} has the shape {given}, but {name} needs {wanted}; {_LAYERS}")
    net.load_state_dict(dict(state), strict=True)


def _load(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        raise PackageError(
            f"{path}: holds something else than weights, which could run code when it is loaded; refused. "
            "Save the weights alone with torch.save(net.state_dict(), path)"
        ) from exc
    except (OSError, RuntimeError, EOFError) as exc:
        raise PackageError(f"{path}: is no readable PyTorch checkpoint; copy the file again") from exc


def _finite(path: Path, key: str, value: Any) -> Any:
    import torch

    if not isinstance(value, torch.Tensor):
        raise PackageError(
            f"{path}: {key} is no tensor; save the weights alone with torch.save(net.state_dict(), path)"
        )
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise PackageError(f"{path}: {key} holds values that are not finite; take a checkpoint from before they came")
    return value


def _keys(missing: list[str], unknown: list[str]) -> str:
    parts = [
        f"{len(keys)} {what}, the first {keys[0]!r}"
        for keys, what in ((missing, "keys are missing"), (unknown, "keys are unknown"))
        if keys
    ]
    return " and ".join(parts)


def _cure(state: Mapping[str, Any], name: str) -> str:
    """Another net's keys tell which one it is."""
    for other, make in NETS.items():
        if other != name and set(make(2).state_dict()) == set(state):
            return f"It is one of {other}: change name in [[cxr.net]]"
    return _LAYERS[0].upper() + _LAYERS[1:]
