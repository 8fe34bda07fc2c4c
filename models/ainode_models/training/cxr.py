"""``ainode train cxr``: from a labelled folder to a model package."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from ainode_models.cxr.lung_net import LungNet
from ainode_models.package import ModelPackage
from ainode_models.torch_device import device_of
from ainode_models.training.cxr_evaluation import write_evaluation
from ainode_models.training.cxr_package import Naming, new_folder, write_package
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.ensemble import Progress, train_ensemble
from ainode_models.training.fit import LabelledImages
from ainode_models.training.labelled_set import LabelledSet, labels_of
from ainode_models.training.lung_masks import train_lung_net
from ainode_models.training.patients import patients_of
from ainode_models.training.start_weights import start_net
from ainode_models.training.xray_folder import LabelledXray, read_xrays
from ainode_models.training.xray_pixels import digests_of, prepared_pixels


@dataclass(frozen=True)
class _Work:
    """One training."""

    plan: CxrPlan
    data: LabelledSet
    device: torch.device
    progress: Progress

    def lung_net(self) -> LungNet | None:
        """A net that learnt the masks of the training images, if there are masks."""
        if not self.plan.masked:
            return None
        with torch.random.fork_rng():
            return train_lung_net(
                self.data.part(self.data.split.training),
                self.plan,
                device=self.device,
                report=lambda done, of: self.progress("lung net", done, of, ""),
            )

    def images(self, xrays: Sequence[LabelledXray], lung_net: LungNet | None, what: str) -> LabelledImages:
        """What the nets get of one part."""
        pixels = prepared_pixels(xrays, lung_net, lambda done: self.progress(what, done, len(xrays), ""))
        return LabelledImages(pixels, labels_of(xrays))


def train_cxr(plan: CxrPlan, out: Path, naming: Naming, *, today: date, progress: Progress) -> ModelPackage:
    """Train by ``plan`` and write the package to ``out``, which must be empty or not there.

    Raises `InputError` for data, `ConfigError` for ``out`` and options, `RuntimeUnavailable` for a device or weights.
    """
    new_folder(out)
    device = device_of(plan.device)
    data = _read(plan, progress)
    _try_start(plan)
    work = _Work(plan, data, device, progress)
    lung_net = work.lung_net()
    training = work.images(data.part(data.split.training), lung_net, "training images")
    validation = work.images(data.part(data.split.validation), lung_net, "validation images")
    ensemble = train_ensemble(plan, training, validation, device=device, progress=progress)
    package = write_package(out, naming, plan, data=data, ensemble=ensemble, lung_net=lung_net, today=today)
    write_evaluation(package, plan, data, ensemble=ensemble, progress=progress)
    return package


def _try_start(plan: CxrPlan) -> None:
    """Weights that cannot be had are found out before the work begins."""
    with torch.random.fork_rng():
        for name in plan.nets:
            start_net(name, len(plan.classes), plan.weights)


def _read(plan: CxrPlan, progress: Progress) -> LabelledSet:
    patients = patients_of(plan.data, plan.patient_pattern)
    xrays = read_xrays(plan.data, plan.classes, patients, masked=plan.masked)
    digests = digests_of(xrays, lambda done: progress("reading images", done, len(xrays), ""))
    return LabelledSet.of(xrays, digests, by_patient=patients.by_patient, seed=plan.seed)
