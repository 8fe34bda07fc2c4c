"""Chest X-ray packages from checkpoints as their users made them: plain torchvision, nothing of ours."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ainode_models.torchvision_import import torchvision_models

NETS = ("resnet50", "densenet121", "efficientnet_b0")
CLASSES = ("COVID-19", "Lung opacity", "Normal", "Viral pneumonia")

_CLASS = """
[[class]]
name = "{name}"
type = {{ value = "75570004", scheme = "SCT", meaning = "Viral pneumonia" }}
anatomy = {{ value = "39607008", scheme = "SCT", meaning = "Lung" }}
threshold = 0.5
"""
_MANIFEST = """
schema = 1
name = "brought"
version = "1.0.0"
title = "Brought by a user"
manufacturer = "a hospital"
family = {{ value = "123110", scheme = "DCM", meaning = "Artificial Intelligence" }}
runtime = "cxr"
intended_use = "A test."
disclaimer = "A test."
limits = "A test."
licence = "none"

[training]
data = "none"

[[input]]
name = "chest"
modality = "DX"
description = "Frontal chest radiograph"
{classes}{weights}
[cxr]
{settings}
"""


def plain_net(name: str, classes: int = 4, *, seed: int = 0) -> nn.Module:
    """The net as issue 4 describes it, in evaluation mode; heads are large, so that classes differ."""
    torch.manual_seed(seed)
    net: Any = getattr(torchvision_models(), name)(weights=None)
    if name == "resnet50":
        net.fc = nn.Sequential(nn.Linear(2048, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, classes))
    elif name == "densenet121":
        net.classifier = nn.Sequential(nn.Linear(1024, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, classes))
    else:
        net.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
    result: nn.Module = net.eval()
    return result


def write_package(
    folder: Path, files: Mapping[str, str], *, classes: tuple[str, ...] = CLASSES, settings: str = ""
) -> Path:
    """A package of checkpoints that lie in ``folder`` already: file name by name of the net."""
    nets = "".join(f'[[cxr.net]]\nname = "{name}"\nfile = "{file}"\n' for name, file in files.items())
    sums = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files.values()}
    text = _MANIFEST.format(
        classes="".join(_CLASS.format(name=name) for name in classes),
        weights="".join(f'[[weights]]\npath = "{file}"\nsha256 = "{digest}"\n' for file, digest in sums.items()),
        settings=settings + "\n" + nets,
    )
    (folder / "model.toml").write_text(text)
    return folder
