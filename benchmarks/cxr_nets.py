"""A package of three nets: their real architectures, drawn weights, and norms that have seen drawn chests."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from ainode_models.cxr.ask import Pictures
from ainode_models.cxr.net_input import resized
from ainode_models.cxr.nets import NETS
from ainode_models.demo.chest import KINDS, chest_phantom
from ainode_models.demo.chest_features import seeded_net
from ainode_models.package import ModelPackage

_SEED = 11
_CALIBRATION = 6_000
"""Seed of the first drawing that the norms see."""

_CLASS = """
[[class]]
name = "{name}"
type = {{ value = "75570004", scheme = "SCT", meaning = "Viral pneumonia" }}
anatomy = {{ value = "39607008", scheme = "SCT", meaning = "Lung" }}
threshold = 0.5
"""
_MANIFEST = """
schema = 1
name = "drawn"
version = "1.0.0"
title = "Drawn weights"
manufacturer = "ainode project"
family = {{ value = "123110", scheme = "DCM", meaning = "Artificial Intelligence" }}
runtime = "cxr"
intended_use = "To be timed."
disclaimer = "Means nothing."
limits = "Means nothing."
licence = "Apache-2.0"
[training]
data = "none"
[[input]]
name = "chest"
modality = "DX"
description = "Frontal chest radiograph"
{classes}{weights}
[sample]
answer = "answer.npz"
[sample.input]
chest = "sample.npz"
[cxr]
{nets}
"""


def drawn_package(folder: Path) -> ModelPackage:
    """Written into ``folder``, with a drawn chest as its sample."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(_SEED)
    calibration = torch.from_numpy(drawn_chests(16, first=_CALIBRATION))
    for name in NETS:
        net = seeded_net(name, _SEED, calibration=calibration)
        torch.save(net.state_dict(), folder / f"{name}.pth")
    np.savez(folder / "sample.npz", pixels=chest_phantom(_SEED, 1).image, body_part="CHEST", view="PA")
    sums = {name: hashlib.sha256((folder / f"{name}.pth").read_bytes()).hexdigest() for name in NETS}
    text = _MANIFEST.format(
        classes="".join(_CLASS.format(name=kind) for kind in KINDS),
        weights="".join(f'[[weights]]\npath = "{name}.pth"\nsha256 = "{digest}"\n' for name, digest in sums.items()),
        nets="".join(f'[[cxr.net]]\nname = "{name}"\nfile = "{name}.pth"\n' for name in NETS),
    )
    (folder / "model.toml").write_text(text)
    return ModelPackage.open(folder)


def drawn_chests(count: int, *, first: int) -> Pictures:
    """Chests of all kinds in turn, as the nets get them without a lung mask: ``(count, 1, 224, 224)``."""
    images = (chest_phantom(first + number, number % len(KINDS)).image for number in range(count))
    return np.concatenate([resized(image) for image in images])
