"""The runtime for nnU-Net v2 result folders, through nnunetv2's own predictor.

torch and nnunetv2 are imported when a model is loaded, not before.
"""

import io
import logging
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.errors import PackageError, RuntimeUnavailable, SeriesMismatchError
from ainode_models.manifest import Manifest
from ainode_models.nnunet_folder import NnunetFolder
from ainode_models.orientation import from_canonical, to_canonical
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Loaded:
    package: ModelPackage
    predictor: Any
    """``nnunetv2.inference.predict_from_raw_data.nnUNetPredictor``."""


class NnunetRuntime:
    """Runs nnU-Net v2 result folders of any configuration, with labels or regions."""

    def __init__(self) -> None:
        self._loaded: _Loaded | None = None

    def is_available(self) -> str | None:
        """None when nnunetv2 and torch are installed, else what to install."""
        missing = [name for name in ("torch", "nnunetv2") if find_spec(name) is None]
        return f"{' and '.join(missing)} not installed; install ainode[cpu] or ainode[gpu]" if missing else None

    def load(self, package: ModelPackage, device: str) -> None:
        """Verify and load ``package``; see `ainode_models.runtime.Runtime.load`."""
        package.verify()
        folder = NnunetFolder.of(package)
        self._loaded = _Loaded(package, _predictor(folder, device))

    def predict(self, volumes: Mapping[str, Volume]) -> Prediction:
        """Label ``volumes``; see `ainode_models.runtime.Runtime.predict`."""
        if self._loaded is None:
            raise RuntimeUnavailable("no model is loaded; call load first")
        manifest, predictor = self._loaded.package.manifest, self._loaded.predictor
        channels, turn = zip(*(to_canonical(volume) for volume in _inputs(manifest, volumes)), strict=True)
        image = np.stack([channel.array.astype(np.float32) for channel in channels])
        with redirect_stdout(io.StringIO()):
            labels, probabilities = predictor.predict_single_npy_array(
                image, {"spacing": list(channels[0].spacing)}, None, None, True
            )
        label_map = from_canonical(labels.astype(np.uint8), turn[0])
        return Prediction(label_map, _confidence(labels, probabilities, _rows(predictor, manifest)))

    def unload(self) -> None:
        """Free the model's memory."""
        self._loaded = None


def _predictor(folder: NnunetFolder, device: str) -> Any:
    """nnunetv2's predictor for ``folder``; what it prints is dropped."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    with redirect_stdout(io.StringIO()):
        predictor = nnUNetPredictor(
            tile_step_size=folder.step_size,
            use_mirroring=folder.mirroring,
            device=_device(device),
            allow_tqdm=False,
        )
        try:
            predictor.initialize_from_trained_model_folder(
                str(folder.path), folder.folds, checkpoint_name=folder.checkpoint
            )
        except (KeyError, RuntimeError, AttributeError) as exc:
            raise PackageError(
                f"{folder.path}: plans.json, dataset.json and the checkpoint do not fit together: {exc}; "
                "copy all of them from one training"
            ) from exc
    _log.info("nnU-Net loaded from %s on %s", folder.path, predictor.device)
    return predictor


def _device(name: str) -> Any:
    import torch

    cuda = torch.cuda.is_available()
    if name not in ("cpu", "cuda", "auto"):
        raise RuntimeUnavailable(f"device {name!r} is not known; use cpu, cuda or auto")
    if name == "cuda" and not cuda:
        raise RuntimeUnavailable("device 'cuda' was asked for, but torch finds no GPU; use cpu or auto")
    return torch.device("cuda" if cuda and name != "cpu" else "cpu")


def _inputs(manifest: Manifest, volumes: Mapping[str, Volume]) -> list[Volume]:
    """The volumes in the order of the channels, all on one grid."""
    names = [each.name for each in manifest.inputs]
    missing = [name for name in names if name not in volumes]
    if missing:
        raise SeriesMismatchError(f"{manifest.name} needs {', '.join(names)}; missing: {', '.join(missing)}")
    first = volumes[names[0]]
    for name in names[1:]:
        if not first.same_grid(volumes[name]):
            raise SeriesMismatchError(f"{manifest.name}: {name} is not on the grid of {names[0]}; resample it before")
    return [volumes[name] for name in names]


def _rows(predictor: Any, manifest: Manifest) -> Mapping[int, int]:
    """For each label, its row in the probabilities: regions have no background and an order of their own."""
    if predictor.label_manager.has_regions:
        order = predictor.label_manager.regions_class_order
        return {int(value): row for row, value in enumerate(order)}
    return {label.value: label.value for label in manifest.labels}


def _confidence(
    labels: NDArray[Any], probabilities: NDArray[np.float32], rows: Mapping[int, int]
) -> Mapping[int, float]:
    """Mean probability of each label that occurs, over its own voxels."""
    confidence: dict[int, float] = {}
    for value, row in rows.items():
        own = labels == value
        if own.any():
            confidence[value] = float(probabilities[row][own].mean(dtype=np.float64))
    return confidence
