"""What runs a package the way its own framework does: nnunetv2's predictor, TensorFlow, torch in fp32."""

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from ainode_models.channels import in_channel_order
from ainode_models.classifier import Classifier
from ainode_models.errors import PackageError
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.nnunet.members import members_of
from ainode_models.orientation import to_canonical
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.runtime import Runtime
from ainode_models.volume import Volume


class Nnunetv2:
    """nnunetv2's own predictor, as its documentation shows it, as a `Runtime`.

    Cascades and ensembles of configurations are several programs there, so they are refused.
    """

    def __init__(self) -> None:
        self._package: ModelPackage | None = None
        self._predictor: Any = None

    def is_available(self) -> str | None:
        """See `ainode_models.runtime.Runtime.is_available`."""
        return None if find_spec("nnunetv2") else "nnunetv2 not installed"

    def load(self, package: ModelPackage, device: str) -> None:
        """See `ainode_models.runtime.Runtime.load`."""
        from ainode_models.nnunet.torch_engine import read
        from ainode_models.torch_device import device_of

        folder, *others = members_of(package)
        if others or folder.previous:
            raise PackageError(f"{package.folder}: nnunetv2 has no single predictor for a cascade or an ensemble")
        self._package, self._predictor = package, _as_documented(read(folder), folder, device_of(device))

    def predict(self, volumes: Mapping[str, Volume]) -> Prediction:
        """See `ainode_models.runtime.Runtime.predict`."""
        assert self._package
        ordered = in_channel_order(self._package.manifest, volumes)
        channels, turns = zip(*map(to_canonical, ordered), strict=True)
        image = np.stack([each.array.astype(np.float32) for each in channels])
        with redirect_stdout(io.StringIO()):
            labels = self._predictor.predict_single_npy_array(image, {"spacing": list(channels[0].spacing)})
        return Prediction(turns[0].undo(labels.astype(np.uint8)), {})

    def unload(self) -> None:
        """See `ainode_models.runtime.Runtime.unload`."""
        self._predictor = None


def _as_documented(predictor: Any, folder: NnunetFolder, device: Any) -> Any:
    predictor.device = device
    predictor.perform_everything_on_device = device.type == "cuda"
    predictor.tile_step_size, predictor.use_mirroring = folder.step_size, folder.mirroring
    return predictor


def _keras() -> Runtime:
    from ainode_models.keras.net import Net
    from ainode_models.keras.runtime import KerasRuntime

    return KerasRuntime(load=Net.by_tensorflow)


def _cxr() -> Classifier:
    from ainode_models.cxr.classifier import CxrClassifier
    from ainode_models.cxr.ensemble import by_torch

    return CxrClassifier(load=by_torch)


_FRAMEWORKS: Mapping[str, tuple[str, Callable[[], Runtime | Classifier]]] = {
    "nnunet": ("nnunetv2", Nnunetv2),
    "keras": ("tensorflow", _keras),
    "cxr": ("torch", _cxr),
}


def framework_of(runtime: str) -> str | None:
    """Name and version of the framework of a runtime; None where it is not installed, or there is none."""
    name, _ = _FRAMEWORKS.get(runtime, ("", None))
    installed = packages_distributions().get(name)  # TensorFlow comes from several
    return f"{name} {version(installed[0])}" if installed else None


def by_framework(runtime: str) -> Runtime | Classifier:
    """Not loaded yet; of a runtime for which `framework_of` names one."""
    return _FRAMEWORKS[runtime][1]()


def framework_name(runtime: str) -> str:
    """What to install to have `framework_of` name one."""
    return _FRAMEWORKS[runtime][0]
