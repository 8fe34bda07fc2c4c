"""The training of one net."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from ainode_models.cxr.nets import head_of
from ainode_models.cxr.torch_nets import normalised
from ainode_models.training.augment import augmented
from ainode_models.training.recipe import Recipe

Report = Callable[[int, str], None]
"""Is told how many epochs are done, and how it goes."""


@dataclass(frozen=True)
class LabelledImages:
    """Images of one part of the split."""

    images: NDArray[np.uint8]
    """``(n, SIDE, SIDE)``."""
    labels: NDArray[np.intp]


@dataclass(frozen=True)
class History:
    """How a training went; all by epoch."""

    training_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    best: int
    """The epoch whose weights were kept, from 0: that of the lowest validation loss."""


class Trainer:
    """Trains one net by one recipe; the same seed, data and machine give the same weights.

    The body of a frozen net runs once for every draw of the augmentation, and the head learns from what it said.
    """

    def __init__(
        self, net: Any, name: str, recipe: Recipe, *, device: torch.device, seed: int, standardise: bool = False
    ) -> None:
        """``standardise``: the head of a frozen net learns on features of mean 0 and deviation 1.

        That helps where the body was never trained, and shows at work in nothing but the head's first layer.
        """
        self._recipe = recipe
        self._device = device
        self._rng = torch.Generator().manual_seed(seed)
        self._net = net.to(device, memory_format=torch.channels_last)
        self._head = head_of(name, net)
        self._optimizer = _optimizer(self._net, self._head, recipe)
        self._average = AveragedModel(net, multi_avg_fn=_towards, use_buffers=True) if recipe.averaged else None
        self._bank: list[torch.Tensor] = []
        self._standardise = standardise
        self._scale: tuple[torch.Tensor, torch.Tensor] | None = None

    def fit(self, training: LabelledImages, validation: LabelledImages, report: Report) -> History:
        """Train until the validation loss has not fallen for so many epochs, and keep the best weights."""
        seen = self._look(training, validation)
        schedule = _schedule(self._optimizer, self._recipe)
        losses: list[tuple[float, float, float]] = []
        best, kept = 0, copy.deepcopy(self._changing.state_dict())
        for epoch in range(self._recipe.epochs):
            lost = self._epoch(training, epoch)
            logits = self.logits(validation.images) if seen is None else self._head_logits(seen)
            losses.append((lost, *_score(logits, validation.labels)))
            schedule(losses[-1][1])
            if losses[-1][1] < losses[best][1] or epoch == 0:
                best, kept = epoch, copy.deepcopy(self._changing.state_dict())
            report(epoch + 1, f"loss {lost:.3f}, validation loss {losses[-1][1]:.3f}, accuracy {losses[-1][2]:.3f}")
            if epoch - best >= self._recipe.patience:
                break
        self._changing.load_state_dict(kept)
        self._fold()
        training_loss, validation_loss, accuracy = zip(*losses, strict=True)
        return History(training_loss, validation_loss, accuracy, best)

    def measure_norms(self, images: NDArray[np.uint8]) -> None:
        """Set the statistics of batch normalisation to those of ``images``: random weights have none of their own."""
        self._net.eval()  # nothing is dropped at random, as later at work
        norms = [layer for layer in self._net.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        self._run(self._net, images)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Outputs of the net, ``(n, classes)``."""
        return self._run(self._kept.eval(), images).numpy()

    def weights(self) -> dict[str, torch.Tensor]:
        """The state dict of the net, in main memory."""
        return {key: value.detach().cpu().contiguous().clone() for key, value in self._kept.state_dict().items()}

    @property
    def _kept(self) -> Any:
        """The net that will be used: the average of the steps, if there is one."""
        return self._net if self._average is None else self._average.module

    @property
    def _changing(self) -> Any:
        """What an epoch changes of it: the head alone, where the body has said all that it will."""
        return self._head if self._bank and self._average is None else self._kept

    def _run(self, net: Any, images: NDArray[np.uint8], *, augment: bool = False) -> torch.Tensor:
        """What a net says of images, in main memory, without learning."""
        size = self._recipe.batch
        with torch.inference_mode():
            pieces = [
                net(self._input(torch.from_numpy(images[start : start + size]), augment=augment)).float().cpu()
                for start in range(0, len(images), size)
            ]
        return torch.cat(pieces)

    def _look(self, training: LabelledImages, validation: LabelledImages) -> torch.Tensor | None:
        """Let the body of a frozen net see everything; its features of the validation images, None for other nets."""
        self._bank = [self._features(training.images, augment=draw > 0) for draw in range(self._recipe.draws)]
        if not self._bank:
            return None
        seen = self._features(validation.images)
        if self._standardise:
            spread, mean = torch.std_mean(torch.cat(self._bank), dim=0)
            self._scale = mean, spread + 1e-4
            self._bank = [(each - mean) / (spread + 1e-4) for each in self._bank]
            seen = (seen - mean) / (spread + 1e-4)
        return seen

    def _fold(self) -> None:
        """Put the standardisation of the features into the first layer of the head."""
        if self._scale is None:
            return
        mean, spread = (each.to(self._device) for each in self._scale)
        first = next(layer for layer in self._head if isinstance(layer, torch.nn.Linear))
        with torch.no_grad():
            first.weight.div_(spread)
            first.bias.sub_(first.weight @ mean)
        self._scale = None

    def _features(self, images: NDArray[np.uint8], *, augment: bool = False) -> torch.Tensor:
        """What the head is given by the body, ``(n, features)``."""
        kept: list[torch.Tensor] = []
        hook = self._head.register_forward_pre_hook(lambda _head, given: kept.append(given[0].cpu()))
        try:
            self._run(self._net.eval(), images, augment=augment)
        finally:
            hook.remove()
        return torch.cat(kept)

    def _head_logits(self, features: torch.Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            answers: torch.Tensor = self._head.eval()(features.to(self._device))
        return answers.cpu().numpy()

    def _epoch(self, training: LabelledImages, epoch: int) -> float:
        (self._head if self._bank else self._net).train()
        lost = seen = 0.0
        order, size = self._drawn(training.labels).numpy(), self._recipe.batch
        for indices in (order[start : start + size] for start in range(0, len(order), size)):
            if len(indices) < 2:
                continue  # batch normalisation has no variance of one image
            loss = self._step(self._outputs(training.images, indices, epoch), training.labels[indices])
            lost, seen = lost + loss * len(indices), seen + len(indices)
        return lost / seen

    def _drawn(self, labels: NDArray[np.intp]) -> torch.Tensor:
        """Indices of one epoch in random order, or drawn so that the classes come equally often."""
        if not self._recipe.balanced:
            return torch.randperm(len(labels), generator=self._rng)
        weights = torch.from_numpy(1.0 / np.bincount(labels)[labels])
        return torch.multinomial(weights, len(labels), replacement=True, generator=self._rng)

    def _outputs(self, images: NDArray[np.uint8], indices: NDArray[np.intp], epoch: int) -> torch.Tensor:
        """What is being trained says of some training images."""
        if self._bank:
            drawn = self._bank[epoch % len(self._bank)][torch.from_numpy(indices)]
            from_features: torch.Tensor = self._head(drawn.clone().to(self._device))
            return from_features
        inputs = self._input(torch.from_numpy(images[indices]), augment=True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            answers: torch.Tensor = self._net(inputs)
        return answers.float()

    def _step(self, outputs: torch.Tensor, labels: NDArray[np.intp]) -> float:
        wanted = torch.from_numpy(labels).to(self._device)
        loss = torch.nn.functional.cross_entropy(outputs, wanted, label_smoothing=self._recipe.label_smoothing)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not say
        self._optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self._net)
        return float(loss.detach())

    def _input(self, images: torch.Tensor, *, augment: bool = False) -> torch.Tensor:
        """Images ``(n, SIDE, SIDE)``, 0 to 255, as the nets get them."""
        grey = images.to(self._device)[:, None].float() / 255
        if augment:
            grey = augmented(grey, self._recipe.augmentation, self._rng)
        return normalised(grey).contiguous(memory_format=torch.channels_last)


def _optimizer(net: Any, last: Any, recipe: Recipe) -> Optimizer:
    head = list(last.parameters())
    ours = {id(each) for each in head}
    body = [each for each in net.parameters() if id(each) not in ours]
    if recipe.body_rate == 0:
        for each in body:
            each.requires_grad_(False)
        return torch.optim.Adam(head, lr=recipe.head_rate, weight_decay=recipe.weight_decay)
    groups = [{"params": head, "lr": recipe.head_rate}, {"params": body, "lr": recipe.body_rate}]
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)


def _schedule(optimizer: Optimizer, recipe: Recipe) -> Callable[[float], None]:
    """Is called after each epoch with the validation loss."""
    if recipe.schedule == "plateau":
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=3)
        return plateau.step
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    return lambda _loss: cosine.step()


def _towards(averages: Any, weights: Any, steps: Any) -> None:
    """Move the averages towards the weights: exponential moving average that forgets its start."""
    decay = min(0.999, (1 + float(steps)) / (10 + float(steps)))
    for average, weight in zip(averages, weights, strict=True):
        if average.is_floating_point():
            average.lerp_(weight, 1 - decay)
        else:
            average.copy_(weight)


def _score(logits: NDArray[np.float32], labels: NDArray[np.intp]) -> tuple[float, float]:
    """Mean cross entropy and accuracy."""
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    return float(loss), float((logits.argmax(axis=1) == labels).mean())
