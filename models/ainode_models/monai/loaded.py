"""A bundle that is loaded: volumes through MONAI's transforms, windows and network, and back. Imports MONAI."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai import inferers, transforms
from monai.data import MetaTensor
from monai.utils import ensure_tuple_rep
from numpy.typing import NDArray

from ainode_models.errors import PackageError
from ainode_models.memory import SPILLED, lacks_gpu_memory
from ainode_models.monai.config import Component, Config
from ainode_models.monai.network import REFUSALS, check_windows, load_network
from ainode_models.monai.pipeline import Pipeline
from ainode_models.monai.settings import MonaiSettings
from ainode_models.monai.vocabulary import ANSWER, IMAGE
from ainode_models.package import MANIFEST, ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.torch_device import device_of, named
from ainode_models.volume import Volume

_log = logging.getLogger(__name__)

_SAID = {"Orientationd": {"labels": None}}
"""Defaults that MONAI wants to be asked for; here they change nothing."""
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From the patient space of DICOM to that of NIfTI, which MONAI's affines are of."""


@dataclass(frozen=True)
class LoadedBundle:
    """Everything that an answer takes."""

    network: Any
    device: torch.device
    inferer: Component
    preprocessing: Any
    """``monai.transforms.Compose``, which ``Invertd`` undoes."""
    before: tuple[Any, ...]
    """Transforms of the network's answer up to the probabilities."""
    decide: Any
    """``AsDiscreted``, which makes labels of them."""
    after: tuple[Any, ...]
    """Transforms of the labels."""
    values: tuple[int, ...]
    """Labels of the package, ascending."""
    regions: tuple[int, ...]
    """Labels in the order in which they are painted; empty where the likeliest is taken."""

    @classmethod
    def of(cls, package: ModelPackage, device: str) -> "LoadedBundle":
        """Load ``package`` on ``device``: ``cpu``, ``cuda`` or ``auto``.

        Raises `PackageError` when configuration, weights and manifest do not fit together.
        """
        settings = MonaiSettings.of(package.manifest)
        file = package.folder / settings.config
        pipeline = Pipeline.of(Config.read(file))
        _check_labels(package, pipeline, settings)
        values = tuple(label.value for label in package.manifest.labels)
        channels, answers = len(package.manifest.inputs), len(values) + (not pipeline.has_regions)
        network = load_network(
            pipeline.network, file, package.folder / settings.weights, channels=channels, answers=answers
        )
        size = _check_inferer(pipeline.inferer, file)
        check_windows(network, file, channels=channels, answers=answers, size=size)
        preprocessing = transforms.Compose([_made(step, file) for step in pipeline.preprocessing])
        steps = [_made(step, file, preprocessing) for step in pipeline.postprocessing]
        middle = [step.target for step in pipeline.postprocessing].index("AsDiscreted")
        place = device_of(device)
        _log.info("MONAI bundle loaded from %s on %s", package.folder, place)
        return cls(
            network=network.to(place),
            device=place,
            inferer=pipeline.inferer,
            preprocessing=preprocessing,
            before=tuple(steps[:middle]),
            decide=steps[middle],
            after=tuple(steps[middle + 1 :]),
            values=values,
            regions=(settings.regions or values) if pipeline.has_regions else (),
        )

    def predict(self, volumes: Sequence[Volume], *, keep: bool) -> Prediction:
        """Label ``volumes``, the channels in their order on one grid; with the probabilities of voxels if ``keep``."""
        data = self.preprocessing({IMAGE: _as_monai(volumes)})
        answer, remarks = self._answer(data[IMAGE])
        data[ANSWER] = MetaTensor(answer)
        for step in self.before:
            data = step(data)
        probabilities = data[ANSWER]
        data = self.decide(data)
        confidence = self._confidence(self._painted(data[ANSWER]), _array(probabilities))
        for step in self.after:
            data = step(data)
        labels = self._painted(data[ANSWER])
        present = set(np.unique(labels).tolist())
        return Prediction(
            label_map=labels,
            confidence={value: mean for value, mean in confidence.items() if value in present},
            remarks=remarks,
            probabilities=self._on_grid(probabilities, data[IMAGE]) if keep else None,
            device=named(self.device),
        )

    def _answer(self, image: Any) -> tuple[torch.Tensor, tuple[str, ...]]:
        """What the network says of the preprocessed image, ``(answers, *points)``, and what was done otherwise."""
        try:
            return self._windows(image, self.inferer, stitched=self.device), ()
        except RuntimeError as error:
            if not lacks_gpu_memory(error):
                raise
        one = Component(self.inferer.target, {**self.inferer.arguments, "sw_batch_size": 1})
        return self._windows(image, one, stitched=torch.device("cpu")), (SPILLED,)

    def _windows(self, image: Any, inferer: Component, *, stitched: torch.device) -> torch.Tensor:
        run = _inferer(inferer, device=self.device, stitched=stitched)
        with torch.no_grad():
            answer: torch.Tensor = run(image.as_tensor().float()[None], self.network)[0].cpu()
        return answer

    def _painted(self, answer: Any) -> NDArray[np.uint8]:
        """Label map of the answer of ``AsDiscreted``."""
        channels = _array(answer)
        if not self.regions:
            likeliest: NDArray[np.uint8] = np.array((0, *self.values), np.uint8)[channels[0].astype(np.intp)]
            return likeliest
        labels = np.zeros(channels.shape[1:], dtype=np.uint8)
        for value in self.regions:
            labels[channels[self.values.index(value)] > 0] = value
        return labels

    def _confidence(self, labels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> Mapping[int, float]:
        """Mean probability of each label that occurs, over its own voxels."""
        rows = probabilities if self.regions else probabilities[1:]
        own = {value: (labels == value, row) for value, row in zip(self.values, rows, strict=True)}
        return {value: float(row[mask].mean(dtype=np.float64)) for value, (mask, row) in own.items() if mask.any()}

    def _on_grid(self, probabilities: Any, image: Any) -> NDArray[np.float16]:
        """Of each label, on the grid of the volumes: those that labels come from as they come, the nearest voxel's."""
        if any(isinstance(step, transforms.Invertd) for step in self.after):
            undo = transforms.Invertd(ANSWER, transform=self.preprocessing, orig_keys=IMAGE, nearest_interp=True)
            probabilities = undo({IMAGE: image, ANSWER: probabilities})[ANSWER]
        return _array(probabilities)[0 if self.regions else 1 :].astype(np.float16)


def _as_monai(volumes: Sequence[Volume]) -> Any:
    """Channels as MONAI's reader gives them, in the axes of DICOM, which ``Orientationd`` turns."""
    image = np.stack([volume.array.astype(np.float32) for volume in volumes])
    return MetaTensor(torch.from_numpy(image), torch.from_numpy(_TO_RAS @ volumes[0].affine), {"space": "RAS"})


def _array(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(tensor.as_tensor().numpy(), dtype=np.float32)


def _check_labels(package: ModelPackage, pipeline: Pipeline, settings: MonaiSettings) -> None:
    """Regions overlap: which of two a voxel bears, nobody can know but those who trained them."""
    several = pipeline.has_regions and len(package.manifest.labels) > 1
    if several != bool(settings.regions):
        problem = (
            "the network's labels may overlap; add the values of [[label]], the outermost first"
            if several
            else "labels that cannot overlap have no order; remove it"
        )
        raise PackageError(f"{package.folder / MANIFEST}: monai.regions: {problem}")


def _made(step: Component, file: Path, inverted: Any = None) -> Any:
    """The transform; ``inverted`` is what an ``Invertd`` undoes."""
    given = {**_SAID.get(step.target, {}), **step.arguments}
    if "transform" in given:
        given["transform"] = inverted
    try:
        return getattr(transforms, step.target)(**given)
    except REFUSALS as exc:
        raise PackageError(f"{file}: {step.target}: MONAI does not take its arguments: {exc}; correct them") from exc


def _inferer(made_with: Component, *, device: torch.device, stitched: torch.device) -> Any:
    """On ``device`` window by window, with the whole answer on ``stitched``."""
    return inferers.SlidingWindowInferer(**made_with.arguments, sw_device=device, device=stitched)


def _check_inferer(made_with: Component, file: Path) -> tuple[int, int, int]:
    """The size of its windows; raises `PackageError` for arguments that MONAI does not take."""
    try:
        first, second, third = ensure_tuple_rep(made_with.arguments["roi_size"], 3)
        _inferer(made_with, device=torch.device("cpu"), stitched=torch.device("cpu"))
    except REFUSALS as exc:
        raise PackageError(f"{file}: inferer: MONAI does not take its arguments: {exc}; correct them") from exc
    return first, second, third
