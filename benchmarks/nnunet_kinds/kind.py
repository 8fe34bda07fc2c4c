"""Which networks are trained, in the words of nnU-Net's plans."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ainode_models.demo.grid import Triple

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "brain-tumour-demo"
_LABELS = {"background": 0, "necrosis": 1, "oedema": 2, "enhancing": 3}
_REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [1, 3], "enhancing": [3]}
_SPLINES = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
_FEATURES = [8, 16, 32]


@dataclass(frozen=True)
class Stage:
    """One network."""

    configuration: str
    spacing: Triple
    """Of what it sees: mm between slices, rows and columns."""
    patch: tuple[int, int, int]
    kernels: tuple[tuple[int, int, int], ...] = ((3, 3, 3),) * 3
    strides: tuple[tuple[int, int, int], ...] = ((1, 1, 1), (2, 2, 2), (2, 2, 2))


@dataclass(frozen=True)
class Kind:
    """What tells the networks of a package from the demonstration's."""

    name: str
    case: Triple
    """Of the images: mm between slices, rows and columns."""
    stages: tuple[Stage, ...]
    """One, or the two of a cascade in their order."""
    regions: bool = False
    iterations: int = 500
    """Of the training of each stage."""

    @property
    def dataset(self) -> dict[str, Any]:
        """``dataset.json``."""
        said = json.loads((DEMO / "nnunet" / "dataset.json").read_text())
        if not self.regions:
            return {**said, "labels": _LABELS}
        return {**said, "labels": _REGIONS, "regions_class_order": [2, 1, 3]}

    @property
    def plans(self) -> dict[str, Any]:
        """``plans.json``, with nnU-Net's own resampling by splines."""
        plans = json.loads((DEMO / "nnunet" / "plans.json").read_text())
        base = plans["configurations"]["3d_fullres"]
        made = {each.configuration: _configuration(base, each) for each in self.stages}
        if len(self.stages) > 1:
            first, second = (each.configuration for each in self.stages)
            made[first]["next_stage"], made[second]["previous_stage"] = second, first
        return {**plans, "configurations": made}


def _configuration(base: Mapping[str, Any], stage: Stage) -> dict[str, Any]:
    count = len(_FEATURES)
    arguments = {
        **base["architecture"]["arch_kwargs"],
        "n_stages": count,
        "features_per_stage": _FEATURES,
        "kernel_sizes": stage.kernels,
        "strides": stage.strides,
        "n_conv_per_stage": [2] * count,
        "n_conv_per_stage_decoder": [1] * (count - 1),
    }
    made = {**base, "spacing": stage.spacing, "patch_size": stage.patch}
    made["architecture"] = {**base["architecture"], "arch_kwargs": arguments}
    for what, order in (("data", 3), ("seg", 1), ("probabilities", 1)):
        made[f"resampling_fn_{what}"] = "resample_data_or_seg_to_shape"
        made[f"resampling_fn_{what}_kwargs"] = {**_SPLINES, "is_seg": what == "seg", "order": order}
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


_FULL = Stage("3d_fullres", (2.2, 2.2, 2.2), (40, 40, 40))
KINDS = (
    Kind(
        "anisotropic",
        (6.0, 1.5, 1.5),
        (
            Stage(
                "3d_fullres",
                (7.0, 1.8, 1.8),
                (12, 64, 64),
                ((1, 3, 3), (3, 3, 3), (3, 3, 3)),
                ((1, 1, 1), (1, 2, 2), (2, 2, 2)),
            ),
        ),
    ),
    Kind(
        "cascade",
        (2.5, 1.8, 1.8),
        (
            Stage("3d_lowres", (4.0, 4.0, 4.0), (32, 32, 32)),
            Stage("3d_cascade_fullres", (2.2, 2.2, 2.2), (40, 40, 40)),
        ),
    ),
    Kind("regions", (2.5, 1.8, 1.8), (_FULL,), regions=True, iterations=1500),
)
