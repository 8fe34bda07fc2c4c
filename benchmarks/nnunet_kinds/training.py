"""Trains the networks of a kind on phantoms: in torch, on what the node's own predictor gives its networks to see."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray
from scipy import ndimage

from ainode_models.nnunet.engine import Engine
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.nnunet.network import NnunetNetwork
from nnunet_kinds.kind import Kind, Stage
from nnunet_kinds.phantoms import phantom_cases

_CASES = 24
_BATCH = 2
_RATE = 0.003
_FIRST_SEED = 40_000
_TRAINED = "trained"
"""A file that says that the checkpoint is not the untrained one any more."""


def train_kind(kind: Kind, folder: Path) -> list[NnunetFolder]:
    """A result folder for each stage below ``folder``, trained unless it is there."""
    made: list[NnunetFolder] = []
    for number, stage in enumerate(kind.stages):
        before = made[-1] if made else None
        result = NnunetFolder(
            folder / f"stage{number}", (0,), "checkpoint_final.pth", 0.5, mirroring=False, previous=before
        )
        if not (result.path / _TRAINED).is_file():
            _train(kind, stage, result)
            (result.path / _TRAINED).touch()
        made.append(result)
    return made


def _train(kind: Kind, stage: Stage, result: NnunetFolder) -> None:
    torch.manual_seed(1)
    plans, dataset = PlansManager(kind.plans), kind.dataset
    settings, labels = plans.get_configuration(stage.configuration), plans.get_label_manager(dataset)
    network = get_network_from_plans(
        settings.network_arch_class_name,
        settings.network_arch_init_kwargs,
        settings.network_arch_init_kwargs_req_import,
        determine_num_input_channels(plans, settings, dataset),
        labels.num_segmentation_heads,
        deep_supervision=False,
    )
    _write(result, kind, stage, network)  # untrained: the predictor prepares what it is to see
    _fit(network, list(_samples(kind, result)), stage.patch, kind.iterations)
    _write(result, kind, stage, network)


def _write(result: NnunetFolder, kind: Kind, stage: Stage, network: torch.nn.Module) -> None:
    checkpoint = result.path / "fold_0" / result.checkpoint
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    (result.path / "plans.json").write_text(json.dumps(kind.plans))
    (result.path / "dataset.json").write_text(json.dumps(kind.dataset))
    said = {
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": stage.configuration},
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(said, checkpoint)


@dataclass
class _Catcher:
    """Takes the place of the windows, and keeps what the network would see."""

    engine: Engine
    seen: list[NDArray[np.float32]] = field(default_factory=list)

    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Nothing found anywhere."""
        self.seen.append(image)
        return np.zeros((self.engine.heads, *image.shape[1:]), dtype=np.float32)


def _samples(kind: Kind, result: NnunetFolder) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """What the network sees of each case, and for each head where it is right, both ``(channels, *voxels)``."""
    loaded = NnunetNetwork.load(result, "cpu")
    catcher = _Catcher(loaded.sliding.engine)
    network = replace(loaded, sliding=catcher)  # type: ignore[arg-type]
    for case in phantom_cases(kind, _CASES, first=_FIRST_SEED):
        grids = network.look(case.image, case.spacing).grids
        cropped = case.labels[grids.crop]
        zoomed = [new / old for new, old in zip(grids.seen, cropped.shape, strict=True)]
        labels = ndimage.zoom(cropped, zoomed, order=0, grid_mode=True, mode="nearest")
        heads = [labels == value for value in range(4)]
        if kind.regions:
            heads = [labels > 0, (labels == 1) | (labels == 3), labels == 3]
        yield torch.from_numpy(catcher.seen.pop()), torch.from_numpy(np.stack(heads).astype(np.float32))


def _fit(
    network: torch.nn.Module,
    samples: list[tuple[torch.Tensor, torch.Tensor]],
    patch: tuple[int, ...],
    iterations: int,
) -> None:
    rng = np.random.default_rng(2)
    optimizer = torch.optim.Adam(network.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, iterations, 0.9)
    network.train()
    for _ in range(iterations):
        pieces = [_piece(*samples[rng.integers(len(samples))], patch, rng) for _ in range(_BATCH)]
        seen, wanted = (torch.stack(each) for each in zip(*pieces, strict=True))
        loss = _loss(network(seen), wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()


def _piece(
    seen: torch.Tensor, wanted: torch.Tensor, patch: tuple[int, ...], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A patch about a voxel, every second time one of the tumour; zeros around what is too small."""
    place = wanted[-1].nonzero() if rng.random() < 0.5 else torch.empty(0)
    middle = place[rng.integers(len(place))].tolist() if len(place) else [rng.integers(s) for s in seen.shape[1:]]
    parts: tuple[Any, ...] = (slice(None),)
    lacks: list[int] = []
    for at, side, whole in zip(middle, patch, seen.shape[1:], strict=True):
        start = max(0, min(at - side // 2, whole - side))
        parts += (slice(start, start + side),)
        lacks = [0, max(0, side - whole), *lacks]
    pads = [torch.nn.functional.pad(each[parts], lacks) for each in (seen, wanted)]
    return pads[0], pads[1]


def _loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and Dice, as nnU-Net's; by sigmoid where the heads are regions."""
    regions = logits.shape[1] == 3
    likely = torch.sigmoid(logits) if regions else torch.softmax(logits, 1)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits if regions else torch.nn.functional.cross_entropy
    both, sizes = (likely * wanted).sum((0, 2, 3, 4)), (likely + wanted).sum((0, 2, 3, 4))
    return entropy(logits, wanted) - ((2 * both + 1) / (sizes + 1)).mean()
