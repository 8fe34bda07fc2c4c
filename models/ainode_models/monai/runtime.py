"""The runtime for MONAI bundles that were imported; torch and MONAI are imported when one is loaded."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ainode_models.channels import in_channel_order
from ainode_models.errors import RuntimeUnavailable
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume

if TYPE_CHECKING:
    from ainode_models.monai.loaded import LoadedBundle


class MonaiRuntime:
    """Runs 3-D networks of MONAI as their bundles do, with MONAI's own transforms and windows."""

    def __init__(self) -> None:
        self._loaded: tuple[ModelPackage, LoadedBundle] | None = None

    def is_available(self) -> str | None:
        """None when torch and MONAI are installed, else what to install."""
        missing = [name for name in ("torch", "monai") if find_spec(name) is None]
        cure = "install ainode[cpu,monai] or ainode[gpu,monai]"
        return f"{' and '.join(missing)} not installed; {cure}" if missing else None

    def load(self, package: ModelPackage, device: str) -> None:
        """Verify and load ``package``; see `ainode_models.runtime.Runtime.load`."""
        from ainode_models.monai.loaded import LoadedBundle

        package.verify()
        self._loaded = package, LoadedBundle.of(package, device)

    def predict(self, volumes: Mapping[str, Volume]) -> Prediction:
        """Label ``volumes``; see `ainode_models.runtime.Runtime.predict`."""
        return self._predict(volumes, keep=False)

    def predict_probabilities(self, volumes: Mapping[str, Volume]) -> Prediction:
        """The same with the softmax, or the sigmoid of regions, of every label."""
        return self._predict(volumes, keep=True)

    def parameters(self) -> int:
        """Of the network that is loaded."""
        _, bundle = self._ready()
        return sum(each.numel() for each in bundle.network.parameters())

    def unload(self) -> None:
        """Free the model's memory."""
        self._loaded = None

    def _predict(self, volumes: Mapping[str, Volume], *, keep: bool) -> Prediction:
        package, bundle = self._ready()
        return bundle.predict(in_channel_order(package.manifest, volumes), keep=keep)

    def _ready(self) -> "tuple[ModelPackage, LoadedBundle]":
        if self._loaded is None:
            raise RuntimeUnavailable("no model is loaded; call load first")
        return self._loaded
