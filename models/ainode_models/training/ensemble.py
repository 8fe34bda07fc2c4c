"""The training of all nets of an ensemble."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.fit import History, LabelledImages, Trainer
from ainode_models.training.start_weights import NONE, is_package, start_net
from ainode_models.training.vote import Thresholds, temperature_of, thresholds_of, vote

Progress = Callable[[str, int, int, str], None]
"""Is told what is being done, how much of it is, of how much, and how it goes."""


@dataclass(frozen=True)
class Ensemble:
    """Trained nets and how they vote."""

    states: Mapping[str, Mapping[str, torch.Tensor]]
    """State dict of each net; its last layer is divided by the temperature, so that a plain soft vote is calibrated."""
    histories: Mapping[str, History]
    temperature: float
    thresholds: tuple[Thresholds, ...]
    """Of each class, chosen on the validation images."""


@dataclass(frozen=True)
class _Trained:
    state: Mapping[str, torch.Tensor]
    history: History
    validation: NDArray[np.float32]
    """Outputs on the validation images, ``(images, classes)``."""


def train_ensemble(
    plan: CxrPlan, training: LabelledImages, validation: LabelledImages, *, device: torch.device, progress: Progress
) -> Ensemble:
    """Train every net of the plan on the same images; raises what `start_net` raises."""
    with torch.random.fork_rng():
        nets = {
            name: _trained(plan, name, training, validation, seed=plan.seed + number, device=device, progress=progress)
            for number, name in enumerate(plan.nets)
        }
    logits, labels = np.stack([net.validation for net in nets.values()]), validation.labels
    temperature = temperature_of(logits, labels) if plan.recipe.calibrated else 1.0
    return Ensemble(
        states={name: _cooled(net.state, temperature) for name, net in nets.items()},
        histories={name: net.history for name, net in nets.items()},
        temperature=temperature,
        thresholds=thresholds_of(vote(logits, temperature), labels),
    )


def _trained(
    plan: CxrPlan,
    name: str,
    training: LabelledImages,
    validation: LabelledImages,
    *,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> _Trained:
    torch.manual_seed(seed)
    net = start_net(name, len(plan.classes), plan.weights)
    trained_before = plan.weights != NONE and not is_package(plan.weights)
    trainer = Trainer(net, name, plan.recipe, device=device, seed=seed, standardise=not trained_before)
    if plan.weights == NONE:
        trainer.measure_norms(training.images)
    history = trainer.fit(training, validation, lambda done, said: progress(name, done, plan.recipe.epochs, said))
    return _Trained(trainer.weights(), history, trainer.logits(validation.images))


def _cooled(state: Mapping[str, torch.Tensor], temperature: float) -> dict[str, torch.Tensor]:
    """The weights with the last layer, which ends the state dict, divided by the temperature."""
    last = list(state)[-1].rpartition(".")[0]
    return {key: value / temperature if key.startswith(f"{last}.") else value for key, value in state.items()}
