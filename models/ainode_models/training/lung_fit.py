"""The training of a lung net on pictures and masks in memory."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ainode_models.cxr.lung_net import LungNet
from ainode_models.cxr.lungs import SIDE

BATCH = 16
_RATE, _GENTLE = 4e-3, 5e-4
"""Learning rates at their highest: of a net that starts at random, and of one that knows lungs."""


def fit_lung_net(
    images: torch.Tensor,
    truths: torch.Tensor,
    *,
    epochs: int,
    seed: int,
    start: LungNet | None = None,
    device: torch.device | None = None,
    report: Callable[[int], None] = lambda _epochs: None,
) -> LungNet:
    """A lung net that has seen ``images`` with the masks ``truths``, zoomed and mirrored at random.

    Both are ``(n, 1, rows, columns)``, 0 to 1, larger than what the net gets, so that it can be shown parts of them.
    It goes on from ``start``, if there is one. Torch's random numbers are those that the seed gives.
    """
    place = device or torch.device("cpu")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net, rate = (start or LungNet()).to(place).train(), _GENTLE if start else _RATE
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + epochs)
    for epoch in range(epochs):
        for chosen in torch.split(torch.from_numpy(rng.permutation(len(images))), BATCH):
            image, truth = _zoomed(rng, images[chosen].to(place).float(), truths[chosen].to(place).float())
            loss = nn.functional.binary_cross_entropy_with_logits(net(image), truth)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        report(epoch + 1)
    return net.eval()


def _zoomed(rng: np.random.Generator, images: torch.Tensor, truths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One crop, mirroring, gamma and blur for a batch."""
    whole = images.shape[-1]
    rows, columns = (int(whole * rng.uniform(0.7, 1.0)) for _ in range(2))
    top, left = (int(rng.integers(0, whole - size + 1)) for size in (rows, columns))
    both = torch.cat([images, truths], dim=1)[..., top : top + rows, left : left + columns]
    both = both.flip(-1) if rng.random() < 0.5 else both
    both = nn.functional.interpolate(both, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return both[:, :1].clamp(0, 1) ** rng.uniform(0.6, 1.7), (both[:, 1:] > 0.5).float()
