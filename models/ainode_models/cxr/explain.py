"""The explanations that the ensemble gives: heat maps on the pixels of the image, one for each class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from ainode_models.cxr.ask import Pictures
from ainode_models.cxr.ensemble import Ensemble
from ainode_models.cxr.lime import lime
from ainode_models.cxr.net_input import brought_to
from ainode_models.cxr.settings import LimeSettings
from ainode_models.errors import ModelError, RuntimeUnavailable
from ainode_models.findings import Heatmap

GRADCAM, LIME = "gradcam", "lime"
"""``gradcam`` is the mean of the nets, ``gradcam:resnet50`` that of one."""


@dataclass(frozen=True)
class Seen:
    """What was classified, and how."""

    ensemble: Ensemble
    grey: Pictures
    """What the nets got, ``(1, 1, 224, 224)``, before normalisation."""
    shape: tuple[int, ...]
    """Rows and columns of the source image."""
    lime: LimeSettings
    clock: Callable[[], float]
    """Seconds, for LIME's budget."""


Explained = tuple[tuple[Heatmap, ...], tuple[str, ...]]
"""Heat maps in the order of the classes, and remarks."""
Explainer = Callable[[Seen], Explained]


def explainer_of(name: str | None, ensemble: Ensemble) -> Explainer:
    """Raises `ModelError` with the names that there are, `RuntimeUnavailable` with what to install."""
    known: dict[str | None, Explainer] = {None: _nothing, GRADCAM: _gradcam, LIME: _lime}
    known |= {f"{GRADCAM}:{net}": _gradcam_of(net) for net in ensemble.voters}
    if name not in known:
        raise ModelError(f"explanation {name!r} is not known; there are: {', '.join(each for each in known if each)}")
    if name == LIME and find_spec("skimage") is None:
        raise RuntimeUnavailable("LIME needs scikit-image, which is not installed; install ainode[explain]")
    return known[name]


def _nothing(_seen: Seen) -> Explained:
    return (), ()


def _gradcam(seen: Seen) -> Explained:
    weights = seen.ensemble.weights
    mean = np.sum([weights[name] * cams for name, cams in _cams(seen, list(weights)).items()], axis=0)
    return _heatmaps(np.asarray(mean, dtype=np.float32), seen, method="Grad-CAM"), ()


def _gradcam_of(net: str) -> Explainer:
    def explain(seen: Seen) -> Explained:
        return _heatmaps(_cams(seen, [net])[net], seen, method=f"Grad-CAM of {net}"), ()

    return explain


def _cams(seen: Seen, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """By torch, for it takes gradients."""
    nets = seen.ensemble.with_gradients()
    import torch

    from ainode_models.cxr.gradcam import gradcam
    from ainode_models.cxr.torch_nets import exact, normalised

    image = normalised(torch.from_numpy(seen.grey).to(nets.device))
    with exact():
        return {name: gradcam(name, nets.voters[name], image) for name in names}


def _lime(seen: Seen) -> Explained:
    def predict(pictures: NDArray[np.float32]) -> NDArray[np.float64]:
        return seen.ensemble.vote(seen.ensemble.members(pictures[:, None]))

    answer = lime(seen.grey[0, 0], predict, limits=seen.lime, clock=seen.clock)
    remark = f"LIME rests on {answer.samples} samples (at most {seen.lime.samples}, within {seen.lime.seconds:g} s)."
    return _heatmaps(answer.maps, seen, method="LIME"), (remark,)


def _heatmaps(maps: NDArray[np.float32], seen: Seen, *, method: str) -> tuple[Heatmap, ...]:
    """Bilinear on the pixels of the source image."""
    whole = (np.clip(brought_to(each, seen.shape[-2:]), 0, 1) for each in maps)
    return tuple(Heatmap(number, method, each) for number, each in enumerate(whole, 1))
