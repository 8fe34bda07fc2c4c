"""The classifier for chest radiographs: gate, lung mask, three nets, soft vote, explanation.

On a CPU OpenVINO runs the nets; torch is imported only for a GPU, to convert a new model, or for what takes gradients.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from ainode_models.cxr.ensemble import Ensemble
from ainode_models.cxr.explain import Seen, explainer_of
from ainode_models.cxr.gate import is_doubtful
from ainode_models.cxr.prepare import prepared
from ainode_models.cxr.settings import CxrSettings
from ainode_models.errors import InputError, RuntimeUnavailable
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification
from ainode_models.radiograph import Radiograph

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Loaded:
    package: ModelPackage
    settings: CxrSettings
    ensemble: Ensemble


class CxrClassifier:
    """Runs ensembles of torchvision's ResNet-50, DenseNet-121 and EfficientNet-B0 on frontal chest radiographs."""

    def __init__(
        self,
        *,
        load: Callable[[ModelPackage, str], Ensemble] = Ensemble.load,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``load`` makes the nets of package and device."""
        self._load = load
        self._loaded: _Loaded | None = None
        self._clock = clock

    def is_available(self) -> str | None:
        """None when torch and torchvision are installed, else what to install."""
        missing = [name for name in ("torch", "torchvision") if find_spec(name) is None]
        return f"{' and '.join(missing)} not installed; install ainode[cpu] or ainode[gpu]" if missing else None

    def load(self, package: ModelPackage, device: str) -> None:
        """Verify and load ``package``; see `ainode_models.classifier.Classifier.load`."""
        package.verify()
        ensemble = self._load(package, device)
        self._loaded = _Loaded(package, CxrSettings.of(package), ensemble)
        names = ", ".join(ensemble.voters)
        _log.info("chest X-ray nets loaded from %s on %s: %s", package.folder, ensemble.device, names)

    def classify(self, images: Mapping[str, Radiograph], *, explain: str | None = None) -> Classification:
        """Classify one radiograph; see `ainode_models.classifier.Classifier.classify`.

        ``explain``: ``gradcam`` (mean of the nets), ``gradcam:NET`` (of one), ``lime`` or None. The heat maps lie on
        the pixels of the image, one for each class, in their order.
        """
        loaded = self._ready()
        ensemble = loaded.ensemble
        explainer = explainer_of(explain, ensemble)
        image = _only(loaded.package, images)
        grey, said = prepared(image, ensemble.lungs, frontal=ensemble.frontal)
        members = ensemble.members(grey)
        heatmaps, more = explainer(Seen(ensemble, grey, image.pixels.shape, loaded.settings.lime, self._clock))
        return Classification(
            probabilities=_numbered(ensemble.vote(members)[0]),
            members={name: _numbered(values[0]) for name, values in members.items()},
            heatmaps=heatmaps,
            remarks=(*said, *more),
            device=ensemble.device,
            rounded=ensemble.rounded,
            doubtful=is_doubtful(said),
        )

    def parameters(self) -> int:
        """Of the nets that vote and the one that finds the lungs."""
        return self._ready().ensemble.parameters

    def seconds_of_nets(self, images: Mapping[str, Radiograph]) -> dict[str, float]:
        """That each net takes for one radiograph, by its name; what is done before and after is not counted."""
        loaded = self._ready()
        ensemble, found = loaded.ensemble, {}
        grey, _ = prepared(_only(loaded.package, images), ensemble.lungs, frontal=ensemble.frontal)
        for name, ask in ensemble.voters.items():
            alone, start = replace(ensemble, voters={name: ask}), self._clock()
            alone.members(grey)
            found[name] = self._clock() - start
        return found

    def unload(self) -> None:
        """Free the model's memory."""
        self._loaded = None

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeUnavailable("no model is loaded; call load first")
        return self._loaded


def _only(package: ModelPackage, images: Mapping[str, Radiograph]) -> Radiograph:
    name = package.manifest.inputs[0].name
    if name not in images:
        raise InputError(f"{package.manifest.name} needs the image {name}; given: {', '.join(images) or 'none'}")
    return images[name]


def _numbered(values: NDArray[np.float64]) -> dict[int, float]:
    return {number: float(value) for number, value in enumerate(values, 1)}
