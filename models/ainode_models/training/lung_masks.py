"""The lung masks of a data set: a net learns them, so that the package masks at work as it did in training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ainode_models.cxr.gate import admitted
from ainode_models.cxr.lung_net import LungNet
from ainode_models.cxr.lungs import SIDE, lungs_of
from ainode_models.cxr.net_input import resized
from ainode_models.cxr.torch_nets import asked
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.interval import Interval, mean_interval, resampled_weights
from ainode_models.training.lung_fit import BATCH, fit_lung_net
from ainode_models.training.start_weights import start_lung_net
from ainode_models.training.xray_folder import LabelledXray
from ainode_models.training.xray_pixels import mask_of, radiograph_of, refusals_named

MOST = 2000
"""Images that teach the net, at most: lungs differ less than what is in them."""


@dataclass(frozen=True)
class LungMasks:
    """How well the net finds the lungs of images that it never saw."""

    dice: Interval
    """Mean over the images, of the mask that is used at work; 0 where none is."""
    images: int
    not_found: int
    """Images on which nothing was found that could be two lungs: they are classified without a mask."""


def train_lung_net(
    xrays: Sequence[LabelledXray], plan: CxrPlan, *, device: torch.device, report: Callable[[int, int], None]
) -> LungNet:
    """A net that has seen the masks of ``xrays``, about as many steps as the plan says.

    ``report`` is told the epochs that are done, and of how many. Raises `InputError` for an image or mask that cannot
    be used.
    """
    order = np.random.default_rng(plan.seed).permutation(len(xrays))[:MOST]
    pairs = [_pair(xrays[number]) for number in sorted(order)]
    images, truths = (torch.cat(each) for each in zip(*pairs, strict=True))
    epochs = max(1, round(plan.mask_steps / -(-len(pairs) // BATCH)))
    return fit_lung_net(
        images,
        truths,
        epochs=epochs,
        seed=plan.seed,
        start=start_lung_net(plan.weights),
        device=device,
        report=lambda done: report(done, epochs),
    )


def measured_masks(net: LungNet, xrays: Sequence[LabelledXray], *, seed: int) -> LungMasks:
    """Compare the net's masks with those of ``xrays``; the interval by resampling patients."""
    dice = np.array([_dice(net, xray) for xray in xrays])
    patients = np.unique([xray.patient.id for xray in xrays], return_inverse=True)[1]
    return LungMasks(
        dice=mean_interval(np.nan_to_num(dice), resampled_weights(patients, seed=seed)),
        images=len(dice),
        not_found=int(np.isnan(dice).sum()),
    )


def _pair(xray: LabelledXray) -> tuple[torch.Tensor, torch.Tensor]:
    """Image and mask at twice the size that the net gets, in half precision."""
    assert xray.mask is not None
    image = radiograph_of(xray.file)
    with refusals_named(xray.file):
        pixels, _ = admitted(image)
    mask = mask_of(xray.mask, pixels.shape)
    image_seen, mask_seen = (torch.from_numpy(resized(each, 2 * SIDE)).half() for each in (pixels, mask))
    return image_seen, mask_seen


def _dice(net: LungNet, xray: LabelledXray) -> float:
    """NaN where the net finds no lungs."""
    assert xray.mask is not None
    with refusals_named(xray.file):
        pixels, _ = admitted(radiograph_of(xray.file))
    found, truth = lungs_of(asked(net), pixels), mask_of(xray.mask, pixels.shape)
    if found is None:
        return float("nan")
    return 2 * float((found & truth).sum()) / max(float(found.sum() + truth.sum()), 1.0)
