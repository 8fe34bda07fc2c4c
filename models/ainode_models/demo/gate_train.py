"""Train the gate of the chest classifier: ``python -m ainode_models.demo.gate_train [--seed 1]``.

Writes `ainode_models.cxr.frontal.WEIGHTS`, and says how sure the net is of drawings that it has not seen: below which
probability the least likely hundredth of the chests lie, and above which the most likely hundredth of the others.
`ainode_models.cxr.frontal.ENOUGH` lies between. Five minutes on one core.
"""

import argparse
import sys
from itertools import chain, repeat

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy, interpolate

from ainode_models.cxr.frontal import CHEST, NEGATIVE, OTHER, SIDE, WEIGHTS, likeness
from ainode_models.cxr.frontal_net import FrontalNet
from ainode_models.demo.gate_pictures import OTHERS, frontal_chest, photographed

CHESTS, EACH_OTHER = 2000, 220
"""Pictures that it learns from."""
_BATCH, _EPOCHS, _RATE = 128, 16, 3e-3
_SMALLEST = 0.85
"""Part of the sides of a picture that is seen in training."""


def pictures(seed: int, *, chests: int, each_other: int) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Grey values from 0 to 1, ``(n, rows, columns)``, and what each shows: ``chest``, or a name in `OTHERS`."""
    rng = np.random.default_rng(seed)
    draws = chain(repeat(("chest", frontal_chest), chests), *(repeat(kind, each_other) for kind in OTHERS.items()))
    drawn = [(photographed(rng, draw(rng)), name) for name, draw in draws]
    shown = [(picture - picture.min()) / max(np.ptp(picture), 1e-6) for picture, _ in drawn]
    return np.array(shown, np.float32), np.array([name for _, name in drawn])


def train(images: NDArray[np.float32], names: NDArray[np.str_], *, seed: int) -> FrontalNet:
    """A net that has seen the pictures cut out, mirrored, brightened, and half of them as negatives."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    grey, chest = torch.from_numpy(images)[:, None], torch.from_numpy(names == "chest")
    net = FrontalNet().train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=0.02)
    steps = _EPOCHS * -(-len(grey) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for epoch in range(_EPOCHS):
        losses = []
        for chosen in torch.split(torch.from_numpy(rng.permutation(len(grey))), _BATCH):
            picture, truth = _seen(rng, grey[chosen], chest[chosen])
            loss = cross_entropy(net(picture), truth, label_smoothing=0.02)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        sys.stdout.write(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}\n")
        sys.stdout.flush()
    return net.eval()


def _seen(rng: np.random.Generator, grey: torch.Tensor, chest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One cut-out and mirroring for a batch, a contrast and polarity for each picture; and what each is now."""
    whole = grey.shape[-1]
    rows, columns = (int(whole * rng.uniform(_SMALLEST, 1)) for _ in range(2))
    top, left = (int(rng.integers(0, whole - size + 1)) for size in (rows, columns))
    part = grey[..., top : top + rows, left : left + columns]
    part = interpolate(part, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    part = (part.flip(-1) if rng.random() < 0.5 else part) ** torch.exp(torch.randn(len(part), 1, 1, 1) * 0.3)
    turned = torch.rand(len(part)) < 0.5
    part = torch.where(turned[:, None, None, None], 1 - part, part)
    return part, torch.where(chest, torch.where(turned, NEGATIVE, CHEST), OTHER)


def margins(seed: int, *, chests: int, each_other: int) -> str:
    """How sure the stored net is of other drawings, in words."""
    images, names = pictures(seed, chests=chests, each_other=each_other)
    seen = [likeness(image) for image in images]
    of_chests = np.array([each.upright for each, name in zip(seen, names, strict=True) if name == "chest"])
    lines = [f"chest: {np.quantile(of_chests, 0.01):.3f} by 99 %, {of_chests.min():.3f} by all"]
    for kind in OTHERS:
        best = [max(each.upright, each.inverted) for each, name in zip(seen, names, strict=True) if name == kind]
        lines.append(f"{kind}: above {np.quantile(best, 0.99):.3f} by 1 %, {max(best):.3f} at most")
    return "\n".join(lines)


def main() -> None:
    """Train, write the weights, and measure them."""
    parser = argparse.ArgumentParser(description="Train the gate of the chest X-ray classifier on drawings.")
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    images, names = pictures(seed, chests=CHESTS, each_other=EACH_OTHER)
    state = train(images, names, seed=seed).state_dict()
    torch.save({key: value.half() if value.ndim > 1 else value for key, value in state.items()}, WEIGHTS)
    sys.stdout.write(margins(2**34 + seed, chests=300, each_other=40) + "\n")


if __name__ == "__main__":
    main()
