"""The runtime for nnU-Net v2 result folders, through nnunetv2's own predictor.

torch and nnunetv2 are imported when a model is loaded, not before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.channels import in_channel_order
from ainode_models.errors import RuntimeUnavailable
from ainode_models.manifest import Manifest
from ainode_models.memory import WITHOUT_CONFIDENCE, lacks_host_memory
from ainode_models.nnunet_members import members_of
from ainode_models.nnunet_network import NnunetNetwork
from ainode_models.orientation import from_canonical, to_canonical
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume


@dataclass(frozen=True)
class _Loaded:
    package: ModelPackage
    networks: tuple[NnunetNetwork, ...]
    """The members of the ensemble, or the only one."""


@dataclass(frozen=True)
class _Raw:
    """An answer in canonical axes."""

    labels: NDArray[Any]
    probabilities: NDArray[np.float32] | None
    remarks: tuple[str, ...]


class NnunetRuntime:
    """Runs nnU-Net v2 result folders of any configuration, with labels or regions, cascades and ensembles."""

    def __init__(self) -> None:
        self._loaded: _Loaded | None = None

    def is_available(self) -> str | None:
        """None when nnunetv2 and torch are installed, else what to install."""
        missing = [name for name in ("torch", "nnunetv2") if find_spec(name) is None]
        return f"{' and '.join(missing)} not installed; install ainode[cpu] or ainode[gpu]" if missing else None

    def load(self, package: ModelPackage, device: str) -> None:
        """Verify and load ``package``; see `ainode_models.runtime.Runtime.load`."""
        package.verify()
        networks = tuple(NnunetNetwork.load(folder, device) for folder in members_of(package))
        self._loaded = _Loaded(package, networks)

    def predict(self, volumes: Mapping[str, Volume]) -> Prediction:
        """Label ``volumes``; see `ainode_models.runtime.Runtime.predict`."""
        return self._predict(volumes, keep=False)

    def predict_probabilities(self, volumes: Mapping[str, Volume]) -> Prediction:
        """The same with the softmax, or the sigmoid of regions, of every label."""
        return self._predict(volumes, keep=True)

    def parameters(self) -> int:
        """Of all folds of all networks that are loaded."""
        return sum(network.parameters for network in self._ready().networks)

    def unload(self) -> None:
        """Free the model's memory."""
        self._loaded = None

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeUnavailable("no model is loaded; call load first")
        return self._loaded

    def _predict(self, volumes: Mapping[str, Volume], *, keep: bool) -> Prediction:
        loaded = self._ready()
        manifest, networks = loaded.package.manifest, loaded.networks
        channels, turn = zip(*(to_canonical(volume) for volume in in_channel_order(manifest, volumes)), strict=True)
        image = np.stack([channel.array.astype(np.float32) for channel in channels])
        raw = _answer(networks, image, list(channels[0].spacing), keep=keep)
        rows = _rows(networks[0].predictor.label_manager, manifest)
        return Prediction(
            label_map=from_canonical(raw.labels.astype(np.uint8), turn[0]),
            confidence={} if raw.probabilities is None else _confidence(raw.labels, raw.probabilities, rows),
            remarks=raw.remarks,
            probabilities=None
            if raw.probabilities is None or not keep
            else np.stack(
                [from_canonical(raw.probabilities[row].astype(np.float16), turn[0]) for row in rows.values()]
            ),
            device=networks[0].device,
        )


def _answer(
    networks: tuple[NnunetNetwork, ...], image: NDArray[np.float32], spacing: list[float], *, keep: bool
) -> _Raw:
    """The answer of all; without probabilities when they do not fit and nobody asked for them."""
    for network in networks:
        network.forget()
    try:
        labels, probabilities = _average(networks, image, spacing)
        said: tuple[str, ...] = ()
    except (MemoryError, RuntimeError) as error:
        if keep or len(networks) > 1 or not lacks_host_memory(error):
            raise
        probabilities = None
        said = (WITHOUT_CONFIDENCE,)
    if probabilities is None:
        labels = networks[0].labels(image, spacing)
    remarks = [remark for network in networks for remark in network.remarks]
    return _Raw(labels, probabilities, (*dict.fromkeys(remarks), *said))


def _average(
    networks: tuple[NnunetNetwork, ...], image: NDArray[np.float32], spacing: list[float]
) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Labels from the mean of the probabilities of all, as ``nnUNetv2_ensemble`` makes them."""
    labels, total = networks[0].predict(image, spacing)
    if len(networks) == 1:
        return labels, total
    for network in networks[1:]:
        total += network.predict(image, spacing)[1]
    total /= len(networks)
    return networks[0].predictor.label_manager.convert_probabilities_to_segmentation(total), total


def _rows(label_manager: Any, manifest: Manifest) -> Mapping[int, int]:
    """For each label, its row in the probabilities: regions have no background and an order of their own."""
    order = list(label_manager.regions_class_order) if label_manager.has_regions else None
    return {label.value: order.index(label.value) if order else label.value for label in manifest.labels}


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
