"""The head model with an untrained network that answers in a moment: for tests of what is around a model."""

import shutil
from pathlib import Path

import torch

from peers.nnunet_results import plans_of, write_result
from peers.packages import copy_demo, reseal

_CERTAIN = 500.0
"""A bias of the last layer that no image outweighs."""


def quick_head(folder: Path, *, version: str = "1.0.0", finds: bool = True) -> Path:
    """``t1-head-demo`` under ``folder``, for which every voxel is a head, or none."""
    copy_demo("t1-head-demo", folder, version=version)
    for part in ("nnunet", "sample"):
        shutil.rmtree(folder / part)
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().partition("\n[sample]")[0])
    plans = plans_of()
    plans["configurations"]["3d_fullres"] |= {"spacing": [12.0, 12.0, 12.0], "patch_size": [24, 24, 24]}
    result = write_result(folder / "nnunet", "3d_fullres", labels={"background": 0, "head": 1}, plans=plans)
    _decide(result / "fold_0" / "checkpoint_final.pth", _CERTAIN if finds else -_CERTAIN)
    for file in ("fold_0/checkpoint_final.pth", "plans.json", "dataset.json"):
        reseal(folder, f"nnunet/{file}")
    return folder


def _decide(file: Path, bias: float) -> None:
    checkpoint = torch.load(file, weights_only=False)
    for name, weights in checkpoint["network_weights"].items():
        if "seg_layers" in name and name.endswith("bias"):
            weights[1] = bias
    torch.save(checkpoint, file)
