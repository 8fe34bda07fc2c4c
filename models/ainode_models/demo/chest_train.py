"""Train the demonstration ensemble: ``python -m ainode_models.demo.chest_train PACKAGE [--seed 7]``.

The lung net learns on phantoms. The convolutions of the three nets stay as they are drawn from the seed; only their
batch-norm statistics are measured and their heads learn, so that the package holds no more than those.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ainode_models.cxr.lung_net import LungNet
from ainode_models.cxr.lungs import SIDE
from ainode_models.cxr.net_input import resized
from ainode_models.cxr.nets import NETS, head_of
from ainode_models.cxr.seeded import checksum, drawn_weights
from ainode_models.demo.chest import KINDS, chest_phantom
from ainode_models.demo.chest_features import features, pictures, seeded_net
from ainode_models.demo.chest_seal import seal_accuracy, seal_backbone
from ainode_models.demo.seal import seal_weights
from ainode_models.training.lung_fit import fit_lung_net

TRAINING, HELD_OUT = range(320), range(100_000, 100_120)
"""Seeds of the phantoms; no patient is in both."""
_LUNG_SEEDS = range(200_000, 200_160)


def train_lungs(seeds: range, *, epochs: int, seed: int) -> LungNet:
    """A lung net that has seen the phantoms of ``seeds``."""
    cases = [chest_phantom(each, each % len(KINDS)) for each in seeds]
    images, truths = (
        torch.from_numpy(np.concatenate([resized(each, 2 * SIDE) for each in shown]))
        for shown in ([case.image for case in cases], [case.lungs for case in cases])
    )
    return fit_lung_net(images, truths, epochs=epochs, seed=seed)


def train_head(name: str, given: torch.Tensor, kinds: NDArray[np.int64], *, epochs: int, seed: int) -> nn.Sequential:
    """A head for features ``(n, features)``; it learns on standardised ones, and takes them as they are."""
    torch.manual_seed(seed)
    head: nn.Sequential = head_of(name, NETS[name](len(KINDS))).train()
    spread, mean = torch.std_mean(given, dim=0)
    wanted, standard = torch.from_numpy(kinds), (given - mean) / (spread + 1e-4)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(wanted)), 64):
            loss = nn.functional.cross_entropy(head(standard[chosen]), wanted[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    _fold(next(layer for layer in head if isinstance(layer, nn.Linear)), mean, spread + 1e-4)
    return head.eval()


def _fold(first: nn.Linear, mean: torch.Tensor, spread: torch.Tensor) -> None:
    """Put the standardisation into the first layer, in the half precision that is stored."""
    with torch.no_grad():
        first.weight.copy_((first.weight / spread).half().float())
        first.bias.sub_(first.weight @ mean)


def small_state(net: Any) -> dict[str, torch.Tensor]:
    """What is not drawn: batch norm, and the head with its matrices in half precision."""
    state = net.state_dict()
    halves = {key for key, value in state.items() if value.ndim == 2}
    return {key: value.half() if key in halves else value for key, value in state.items() if value.ndim != 4}


def train(package: Path, *, seed: int) -> dict[str, float]:
    """Write the weights into ``package``; accuracy on held-out phantoms of each net, and of their vote."""
    lung_net = train_lungs(_LUNG_SEEDS, epochs=10, seed=seed)
    (package / "nets").mkdir(exist_ok=True)
    torch.save({key: v.half() if v.ndim == 4 else v for key, v in lung_net.state_dict().items()}, package / "lungs.pth")
    lung_net.load_state_dict(torch.load(package / "lungs.pth", weights_only=True))
    (known, kinds), (unseen, truth) = (pictures(seeds, lung_net) for seeds in (TRAINING, HELD_OUT))
    votes: dict[str, NDArray[np.float32]] = {}
    for name in NETS:
        net = seeded_net(name, seed, calibration=known[:64])
        head = train_head(name, features(name, net, known), kinds, epochs=60, seed=seed)
        head_of(name, net).load_state_dict(head.state_dict())
        torch.save(small_state(net), package / "nets" / f"{name}.pth")
        seal_backbone(package, name, seed=seed, sha256=checksum(drawn_weights(net, seed)))
        with torch.no_grad():
            votes[name] = head(features(name, net, unseen)).softmax(dim=1).numpy()
        sys.stdout.write(f"{name}: {(votes[name].argmax(axis=1) == truth).mean():.3f}\n")
    votes["vote"] = np.mean(list(votes.values()), axis=0)
    return {name: float((vote.argmax(axis=1) == truth).mean()) for name, vote in votes.items()}


def main() -> None:
    """Train and seal."""
    parser = argparse.ArgumentParser(description="Train the chest X-ray demonstration package on phantoms.")
    parser.add_argument("package", type=Path, help="its weights and model.toml are rewritten")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    accuracy = train(arguments.package, seed=arguments.seed)
    seal_weights(arguments.package)
    today = datetime.now(tz=UTC).date()
    seal_accuracy(arguments.package, accuracy, cases=len(TRAINING), held_out=len(HELD_OUT), today=today)


if __name__ == "__main__":
    main()
