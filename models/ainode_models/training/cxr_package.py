"""A trained ensemble as a model package: weights and ``model.toml``."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from ainode_models.cxr.lung_net import LungNet
from ainode_models.errors import ConfigError
from ainode_models.package import MANIFEST, ModelPackage
from ainode_models.toml_text import toml_text
from ainode_models.training.class_folder import ClassFolder
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.ensemble import Ensemble
from ainode_models.training.labelled_set import LabelledSet
from ainode_models.training.vote import Thresholds

LUNGS = "lungs.pth"
INPUT = "chest"
SAMPLE, SAMPLE_ANSWER = PurePosixPath("sample/chest.npz"), PurePosixPath("sample/answer.npz")

_HEAD = "# What this package is and how to run it. Written by `ainode train cxr`; README.md is its model card.\n"


@dataclass(frozen=True)
class Naming:
    """What the package says of itself and brings that the training does not know."""

    name: str
    """Lower-case letters, digits and hyphens."""
    version: str
    """Three numbers with dots between them."""
    title: str = "Chest X-ray classifier"
    manufacturer: str = "the operator of this node"
    licence: str = "not licensed for redistribution"
    sample: bool = True
    """Whether it brings a held-out image, with which it can be checked."""


def new_folder(folder: Path) -> Path:
    """An empty folder to write to; raises `ConfigError` when something is there already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"{folder}: cannot be made ({exc.strerror}); choose another --out") from exc
    if any(folder.iterdir()):
        raise ConfigError(f"{folder}: is not empty; choose another --out, nothing is overwritten")
    return folder


def write_package(
    folder: Path,
    naming: Naming,
    plan: CxrPlan,
    *,
    data: LabelledSet,
    ensemble: Ensemble,
    lung_net: LungNet | None,
    today: date,
) -> ModelPackage:
    """Write what the node runs into the empty ``folder``, and read it back; the files of the sample are to follow."""
    states: dict[str, Mapping[str, Any]] = {f"{name}.pth": state for name, state in ensemble.states.items()}
    if lung_net is not None:
        states[LUNGS] = {key: value.cpu() for key, value in lung_net.state_dict().items()}
    sums = [{"path": file, "sha256": _write_weights(folder / file, state)} for file, state in states.items()]
    manifest = {
        **_named(naming, plan),
        "training": _facts(plan, data, ensemble, today),
        "weights": sums,
        "input": [
            {"name": INPUT, "modality": "DX", "description": "Frontal chest radiograph (PA or AP): DX, CR or RG"}
        ],
        "class": [_class(each, limit) for each, limit in zip(plan.classes, ensemble.thresholds, strict=True)],
        "cxr": {
            **({"mask": {"file": LUNGS}} if lung_net is not None else {}),
            "net": [{"name": name, "file": f"{name}.pth"} for name in ensemble.states],
        },
    }
    if naming.sample:
        manifest["sample"] = {"answer": str(SAMPLE_ANSWER), "input": {INPUT: str(SAMPLE)}}
    (folder / MANIFEST).write_text(_HEAD + toml_text(manifest), encoding="utf-8")
    package = ModelPackage.open(folder)
    package.verify()
    return package


def _write_weights(file: Path, state: object) -> str:
    torch.save(state, file)
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _named(naming: Naming, plan: CxrPlan) -> dict[str, Any]:
    names = ", ".join(each.name for each in plan.classes)
    return {
        "schema": 1,
        "name": naming.name,
        "version": naming.version,
        "title": naming.title,
        "manufacturer": naming.manufacturer,
        "family": {"value": "123110", "scheme": "DCM", "meaning": "Artificial Intelligence"},
        "runtime": "cxr",
        "intended_use": f"Research: tells {names} apart in frontal chest X-rays.",
        "disclaimer": "Not validated for diagnostic use.",
        "limits": "Measured on held-out images of the same data only; other hospitals and devices may differ "
        "(see README.md).",
        "licence": naming.licence,
    }


def _facts(plan: CxrPlan, data: LabelledSet, ensemble: Ensemble, today: date) -> dict[str, Any]:
    seen = "black outside the lungs" if plan.masked else "as they are"
    return {
        "data": f"{len(data.xrays)} labelled chest X-rays of its owner, {seen}.",
        "completed": today,
        "cases": len(data.split.training),
        "seed": plan.seed,
        "epochs": max(len(history.training_loss) for history in ensemble.histories.values()),
    }


def _class(each: ClassFolder, limit: Thresholds) -> dict[str, Any]:
    return {
        "name": each.name,
        "type": asdict(each.type),
        "anatomy": asdict(each.anatomy),
        "threshold": limit.threshold,
        "refer_from": limit.refer_from,
        **({"normal": True} if each.normal else {}),
    }
