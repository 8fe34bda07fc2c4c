"""The runtime for nnU-Net v2 result folders; torch is imported only for a GPU, or to convert a new model."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from ainode_models.channels import in_channel_order
from ainode_models.errors import RuntimeUnavailable
from ainode_models.nnunet.answer import answer
from ainode_models.nnunet.members import members_of
from ainode_models.nnunet.network import NnunetNetwork
from ainode_models.orientation import from_canonical, to_canonical
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume


@dataclass(frozen=True)
class _Loaded:
    package: ModelPackage
    networks: tuple[NnunetNetwork, ...]
    """The members of the ensemble, or the only one."""


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
        profile = package.profile
        networks = tuple(
            NnunetNetwork.load(folder.by(profile), device, precision=profile.precision)
            for folder in members_of(package)
        )
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
        for network in networks:
            network.forget()
        seen = [network.look(image, list(channels[0].spacing)) for network in networks]
        wanted = [label.value for label in manifest.labels] if keep else []
        found = answer(seen, networks[0].heads, size=image.shape[1:], keep=wanted)
        return Prediction(
            label_map=from_canonical(found.labels, turn[0]),
            confidence=found.confidence,
            remarks=_said(loaded),
            probabilities=None
            if found.probabilities is None
            else np.stack([from_canonical(each, turn[0]) for each in found.probabilities]),
            device=networks[0].device,
        )


def _said(loaded: _Loaded) -> tuple[str, ...]:
    """What readers must know of the way in which it was computed."""
    profile = loaded.package.profile.said(loaded.networks[0].sliding.engine.precision)
    lacks = (remark for network in loaded.networks for remark in network.remarks)
    return tuple(dict.fromkeys((*([profile] if profile else []), *lacks)))
