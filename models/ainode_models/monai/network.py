"""The network of a bundle: made by MONAI, with weights that are nothing but tensors. Imports torch and MONAI."""

import copy
import inspect
from pathlib import Path
from typing import Any

import monai
import torch
from monai.networks import nets

from ainode_models.cxr.state_dict import read_state_dict
from ainode_models.errors import PackageError
from ainode_models.monai.config import Component

REFUSALS = (TypeError, ValueError, LookupError, AttributeError, AssertionError, RuntimeError)
"""What MONAI's classes raise for arguments that they cannot take."""


def load_network(made_with: Component, config: Path, weights: Path, *, channels: int, answers: int) -> Any:
    """The network with its weights, for volumes of ``channels`` and ``answers`` of that many channels.

    Raises `PackageError` for arguments that MONAI does not take, and for weights of another network.
    """
    kind = getattr(nets, made_with.target)
    _check_counts(kind, made_with, config, channels=channels, answers=answers)
    try:
        network = kind(**made_with.arguments)
    except REFUSALS as exc:
        raise _not_made(made_with, config, exc) from exc
    try:
        network.load_state_dict(read_state_dict(weights), strict=True)
    except RuntimeError as exc:
        raise PackageError(
            f"{weights}: are not the weights of network_def ({_first_lines(exc)}); take both from one training"
        ) from exc
    return network.eval()


def check_windows(network: Any, config: Path, *, channels: int, answers: int, size: tuple[int, int, int]) -> None:
    """Raise `PackageError` unless ``network`` answers windows of ``size`` with as many; no number is computed."""
    image = torch.empty(1, channels, *size, device="meta")
    try:
        with torch.no_grad():
            answer = copy.deepcopy(network).to("meta")(image)
    except REFUSALS as exc:
        raise PackageError(
            f"{config}: inferer.roi_size: the network cannot take windows of {size}: {_first_lines(exc)}; "
            "write the size that it was trained with"
        ) from exc
    given = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
    if given != (1, answers, *size):
        raise PackageError(
            f"{config}: network_def: answers {given} to a window of {tuple(image.shape)}, but must answer "
            f"{(1, answers, *size)}; only networks that label every voxel are run"
        )


def _check_counts(kind: Any, made_with: Component, config: Path, *, channels: int, answers: int) -> None:
    """The three numbers that every network of the vocabulary is made with, written or by default."""
    try:
        bound = inspect.signature(kind).bind(**made_with.arguments)
    except TypeError as exc:
        raise _not_made(made_with, config, exc) from exc
    bound.apply_defaults()
    wanted = {"spatial_dims": 3, "in_channels": channels, "out_channels": answers}
    cures = {
        "spatial_dims": "only networks of volumes are run",
        "in_channels": "describe each channel as one [[input]]",
        "out_channels": "describe each channel but the background as one [[label]]",
    }
    for key, value in wanted.items():
        if bound.arguments[key] != value:
            raise PackageError(
                f"{config}: network_def.{key}: is {bound.arguments[key]!r}, but must be {value}; {cures[key]}"
            )


def _not_made(made_with: Component, config: Path, exc: Exception) -> PackageError:
    return PackageError(
        f"{config}: network_def: MONAI {monai.__version__} makes no {made_with.target} of it: {_first_lines(exc)}; "
        "correct the arguments"
    )


def _first_lines(exc: Exception) -> str:
    text = " ".join(str(exc).split())
    return text if len(text) <= 300 else f"{text[:297]}..."
