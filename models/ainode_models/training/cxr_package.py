"""A trained ensemble as a model package: weights, ``model.toml``, evaluation and model card."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from ainode_models.errors import ConfigError
from ainode_models.findings import Code
from ainode_models.package import MANIFEST, ModelPackage
from ainode_models.training.class_report import write_class_report, write_losses
from ainode_models.training.cxr_card import card_of
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.ensemble import Ensemble, LabelledSet

EVALUATION = "evaluation"


@dataclass(frozen=True)
class Naming:
    """What the package says of itself that the training does not know."""

    name: str
    """Lower-case letters, digits and hyphens."""
    version: str
    """Three numbers with dots between them."""
    title: str = "Chest X-ray classifier"
    manufacturer: str = "the operator of this node"
    licence: str = "not licensed for redistribution"


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
    folder: Path, naming: Naming, plan: CxrPlan, *, data: LabelledSet, ensemble: Ensemble, today: date
) -> ModelPackage:
    """Write the package into the empty ``folder``, and read it back."""
    sums = {name: _write_weights(folder / f"{name}.pth", state) for name, state in ensemble.states.items()}
    manifest = _manifest(naming, plan, data, ensemble, sums=sums, today=today)
    (folder / MANIFEST).write_text(manifest, encoding="utf-8")
    write_losses(folder / EVALUATION, ensemble.histories)
    report = write_class_report(folder / EVALUATION, ensemble.held_out, seed=plan.seed, also={})
    card = card_of(naming.title, plan, data, ensemble=ensemble, report=report)
    (folder / "README.md").write_text(card, encoding="utf-8")
    package = ModelPackage.open(folder)
    package.verify()
    return package


def _write_weights(file: Path, state: object) -> str:
    torch.save(state, file)
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest(
    naming: Naming, plan: CxrPlan, data: LabelledSet, ensemble: Ensemble, *, sums: dict[str, str], today: date
) -> str:
    """The text of ``model.toml``; every key is described in `ainode_models.manifest`."""
    names = ", ".join(each.name for each in plan.classes)
    seen = "black outside the lungs" if plan.masked else "as they are"
    lines = [
        "# What this package is and how to run it. Written by `ainode train cxr`; README.md is its model card.",
        "schema = 1",
        f"name = {_text(naming.name)}",
        f"version = {_text(naming.version)}",
        f"title = {_text(naming.title)}",
        f"manufacturer = {_text(naming.manufacturer)}",
        'family = { value = "123110", scheme = "DCM", meaning = "Artificial Intelligence" }',
        'runtime = "cxr"',
        f"intended_use = {_text(f'Research: tells {names} apart in frontal chest X-rays.')}",
        'disclaimer = "Not validated for diagnostic use."',
        f"limits = {_text(_limits(plan))}",
        f"licence = {_text(naming.licence)}",
        "",
        "[training]",
        f"data = {_text(f'{len(data.xrays)} labelled chest X-rays of its owner, {seen}.')}",
        f"completed = {today.isoformat()}",
        f"cases = {len(ensemble.split.training)}",
        f"seed = {plan.seed}",
        f"epochs = {max(len(history.training_loss) for history in ensemble.histories.values())}",
    ]
    for name, digest in sums.items():
        lines += ["", "[[weights]]", f"path = {_text(f'{name}.pth')}", f"sha256 = {_text(digest)}"]
    lines += [
        "",
        "[[input]]",
        'name = "chest"',
        'modality = "DX"',
        'description = "Frontal chest radiograph (PA or AP): DX, CR or RG"',
    ]
    for each, limit in zip(plan.classes, ensemble.thresholds, strict=True):
        lines += ["", "[[class]]", f"name = {_text(each.name)}"]
        lines += [f"type = {_code(each.type)}", f"anatomy = {_code(each.anatomy)}"]
        lines += [f"threshold = {limit.threshold}", f"refer_from = {limit.refer_from}"]
    lines += ["", "[cxr]"]
    for name in sums:
        lines += ["", "[[cxr.net]]", f"name = {_text(name)}", f"file = {_text(f'{name}.pth')}"]
    return "\n".join(lines) + "\n"


def _limits(plan: CxrPlan) -> str:
    masked = " It learnt from lungs only, so it needs a lung mask at work too." if plan.masked else ""
    return (
        "Measured on held-out images of the same data only; other hospitals and devices may differ (see README.md)."
        + masked
    )


def _code(code: Code) -> str:
    return f"{{ value = {_text(code.value)}, scheme = {_text(code.scheme)}, meaning = {_text(code.meaning)} }}"


def _text(value: str) -> str:
    """A TOML basic string, which JSON's strings are too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
