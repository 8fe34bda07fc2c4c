"""Train a demonstration package: ``python -m ainode_models.demo.train NAME PACKAGE [--seed 1]``.

nnU-Net's own fingerprint, planner, preprocessing and trainer do the work, on one CPU core; the plans are
then cut down to a network that fits the repository. PACKAGE is the folder with ``model.toml``, whose sums and
figures are written anew.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprints,
    plan_experiments,
    preprocess_dataset,
)
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from ainode_models.demo.dataset import write_dataset
from ainode_models.demo.evaluate import held_out_dice
from ainode_models.demo.profiles import measure_fast
from ainode_models.demo.recipe import RECIPES, Recipe
from ainode_models.demo.seal import seal_training, seal_weights
from ainode_models.package import ModelPackage

HELD_OUT_CASES = 10
"""Phantoms on which a new package is measured."""

_CONFIGURATION = "3d_fullres"


def train(recipe: Recipe, out: Path, *, seed: int, work: Path) -> Path:
    """Train ``recipe`` in the folder ``work`` and write an nnU-Net v2 result folder to ``out``."""
    _point_nnunet_at(work)
    raw = write_dataset(recipe, np.random.default_rng(seed), work / "raw")
    plans = _plan(recipe, work / "preprocessed" / raw.name)
    results = _run_trainer(recipe, plans, json.loads((raw / "dataset.json").read_text()), seed=seed)
    return _assemble(results, out)


def _point_nnunet_at(work: Path) -> None:
    """nnU-Net reads its folders and switches from the environment."""
    for part in ("raw", "preprocessed", "results"):
        (work / part).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{part}"] = str(work / part)
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "f", "nnUNet_def_n_proc": "1"}


def _plan(recipe: Recipe, preprocessed: Path) -> dict[str, Any]:
    extract_fingerprints([recipe.dataset], num_processes=1, check_dataset_integrity=True)
    plan_experiments([recipe.dataset], overwrite_target_spacing=recipe.spacing)
    path = preprocessed / "nnUNetPlans.json"
    plans = _cut_down(json.loads(path.read_text()), recipe)
    path.write_text(json.dumps(plans, indent=2))
    cases = [f"case_{number:03d}" for number in range(recipe.cases)]
    held = recipe.cases // 10
    splits = [{"train": cases[held:], "val": cases[:held]}]
    preprocess_dataset(recipe.dataset, configurations=[_CONFIGURATION], num_processes=[1])
    (preprocessed / "splits_final.json").write_text(json.dumps(splits))
    return plans


def _cut_down(plans: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """nnU-Net's plans with a small network, a small patch and resampling in torch."""
    plans["transpose_forward"] = plans["transpose_backward"] = [0, 1, 2]
    full = plans["configurations"][_CONFIGURATION]
    full |= {
        "batch_size": 2,
        "patch_size": list(recipe.patch),
        "spacing": list(recipe.spacing),
        "use_mask_for_norm": [False] * len(recipe.inputs),
        "batch_dice": True,
    }
    for what, is_seg in (("data", False), ("seg", True), ("probabilities", False)):
        full[f"resampling_fn_{what}"] = "resample_torch_fornnunet"
        full[f"resampling_fn_{what}_kwargs"] = {"is_seg": is_seg, "force_separate_z": False}
    stages = len(recipe.features)
    full["architecture"]["arch_kwargs"] |= {
        "n_stages": stages,
        "features_per_stage": list(recipe.features),
        "kernel_sizes": [[3, 3, 3]] * stages,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [1] * (stages - 1),
    }
    plans["configurations"] = {_CONFIGURATION: full}
    return plans


def _run_trainer(recipe: Recipe, plans: dict[str, Any], dataset: dict[str, Any], *, seed: int) -> Path:
    # augmentation in this process, so that the seed decides it; the planner above refuses 0
    os.environ.update(nnUNet_n_proc_DA="0")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    # batchgenerators draws from the global generators of numpy and random
    np.random.seed(seed)
    random.seed(seed)
    trainer = nnUNetTrainer(
        plans={**plans, "continue_training": False},
        configuration=_CONFIGURATION,
        fold=0,
        dataset_json=dataset,
        device=torch.device("cpu"),
    )
    trainer.num_epochs = recipe.epochs
    trainer.num_iterations_per_epoch = recipe.iterations
    trainer.num_val_iterations_per_epoch = 4
    trainer.run_training()
    return Path(trainer.output_folder_base)


def _assemble(results: Path, out: Path) -> Path:
    """Copy what inference reads; the state of the optimizer and the paths of this machine stay behind."""
    (out / "fold_0").mkdir(parents=True, exist_ok=True)
    for name in ("dataset.json", "plans.json", "dataset_fingerprint.json"):
        shutil.copyfile(results / name, out / name)
    full = torch.load(results / "fold_0" / "checkpoint_final.pth", map_location="cpu", weights_only=False)
    kept = {
        "network_weights": full["network_weights"],
        "trainer_name": full["trainer_name"],
        "init_args": {"configuration": full["init_args"]["configuration"], "fold": 0},
        "inference_allowed_mirroring_axes": full["inference_allowed_mirroring_axes"],
    }
    torch.save(kept, out / "fold_0" / "checkpoint_final.pth")
    return out


def main() -> None:
    """Train, and seal the package if ``out`` lies in one."""
    arguments = _arguments()
    recipe = RECIPES[arguments.name]
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        train(recipe, arguments.package / "nnunet", seed=arguments.seed, work=work)
    seal_weights(arguments.package)
    scores = held_out_dice(ModelPackage.open(arguments.package), recipe, cases=HELD_OUT_CASES)
    seal_training(arguments.package, recipe, seed=arguments.seed, dice=scores, today=datetime.now(tz=UTC).date())
    measure_fast(arguments.package, recipe)
    sys.stdout.write(json.dumps(scores, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a demonstration model package on phantoms.")
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("package", type=Path, help="the package: its weights and model.toml are rewritten")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder for data and logs, kept; a temporary one otherwise")
    return parser.parse_args()


if __name__ == "__main__":
    main()
