"""The training of all nets of an ensemble, and what it answers on images that it never saw."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ainode_models.torch_device import device_of
from ainode_models.training.class_metrics import Answers
from ainode_models.training.cxr_plan import HELD_OUT, VALIDATION, CxrPlan
from ainode_models.training.fit import History, LabelledImages, Trainer
from ainode_models.training.split import Split, split
from ainode_models.training.start_weights import NONE, start_net
from ainode_models.training.vote import Thresholds, temperature_of, thresholds_of, vote
from ainode_models.training.xray_folder import LabelledXray
from ainode_models.training.xray_pixels import XrayPixels

Progress = Callable[[str, int, int, str], None]
"""Is told what is being done, how much of it is, of how much, and how it goes."""


@dataclass(frozen=True)
class LabelledSet:
    """The images of a data set, with what is known of them."""

    xrays: tuple[LabelledXray, ...]
    pixels: XrayPixels
    by_patient: bool
    """False when nothing says whose images they are."""

    @property
    def labels(self) -> NDArray[np.intp]:
        """Class of each image, from 0."""
        return np.array([xray.label for xray in self.xrays], np.intp)

    @property
    def patients(self) -> tuple[str, ...]:
        """Patient of each image."""
        return tuple(xray.patient.id for xray in self.xrays)

    def part(self, indices: NDArray[np.intp]) -> LabelledImages:
        """Some of the images."""
        return LabelledImages(self.pixels.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Ensemble:
    """Trained nets and how they vote."""

    states: Mapping[str, Mapping[str, torch.Tensor]]
    """State dict of each net; its last layer is divided by the temperature, so that a plain soft vote is calibrated."""
    histories: Mapping[str, History]
    temperature: float
    thresholds: tuple[Thresholds, ...]
    """Of each class, chosen on the validation images."""
    split: Split
    held_out: Answers
    """On images of patients that decided nothing."""


@dataclass(frozen=True)
class _Trained:
    state: Mapping[str, torch.Tensor]
    history: History
    validation: NDArray[np.float32]
    """Outputs on the validation images, ``(images, classes)``."""
    held_out: NDArray[np.float32]


def train_ensemble(plan: CxrPlan, data: LabelledSet, progress: Progress) -> Ensemble:
    """Train every net of the plan on the same split; raises `InputError` for data that cannot be split."""
    parts = split(data.labels, data.patients, data.pixels.digests, shares=(VALIDATION, HELD_OUT), seed=plan.seed)
    device = device_of(plan.device)
    with torch.random.fork_rng():
        nets = {
            name: _trained(plan, data, parts, name, seed=plan.seed + number, device=device, progress=progress)
            for number, name in enumerate(plan.nets)
        }
    return _voted(plan, data, parts, nets)


def _trained(
    plan: CxrPlan, data: LabelledSet, parts: Split, name: str, *, seed: int, device: torch.device, progress: Progress
) -> _Trained:
    torch.manual_seed(seed)
    net = start_net(name, len(plan.classes), plan.weights)
    trainer = Trainer(net, name, plan.recipe, device=device, seed=seed)
    if plan.weights == NONE:
        trainer.measure_norms(data.pixels.images[parts.training])
    history = trainer.fit(
        data.part(parts.training),
        data.part(parts.validation),
        lambda done, said: progress(name, done, plan.recipe.epochs, said),
    )
    validation, held_out = (trainer.logits(data.pixels.images[part]) for part in (parts.validation, parts.held_out))
    return _Trained(trainer.weights(), history, validation, held_out)


def _voted(plan: CxrPlan, data: LabelledSet, parts: Split, nets: Mapping[str, _Trained]) -> Ensemble:
    labels = data.labels
    validation, held_out = (
        np.stack([getattr(net, part) for net in nets.values()]) for part in ("validation", "held_out")
    )
    temperature = temperature_of(validation, labels[parts.validation]) if plan.recipe.calibrated else 1.0
    thresholds = thresholds_of(vote(validation, temperature), labels[parts.validation])
    return Ensemble(
        states={name: _cooled(net.state, temperature) for name, net in nets.items()},
        histories={name: net.history for name, net in nets.items()},
        temperature=temperature,
        thresholds=thresholds,
        split=parts,
        held_out=Answers(
            classes=tuple(each.name for each in plan.classes),
            truth=labels[parts.held_out],
            probabilities=vote(held_out, temperature),
            thresholds=tuple(each.threshold for each in thresholds),
            refer_from=tuple(each.refer_from for each in thresholds),
            patients=np.unique([data.patients[index] for index in parts.held_out], return_inverse=True)[1],
            strata=tuple(data.xrays[index].patient.strata for index in parts.held_out),
        ),
    )


def _cooled(state: Mapping[str, torch.Tensor], temperature: float) -> dict[str, torch.Tensor]:
    """The weights with the last layer, which ends the state dict, divided by the temperature."""
    last = list(state)[-1].rpartition(".")[0]
    return {key: value / temperature if key.startswith(f"{last}.") else value for key, value in state.items()}
