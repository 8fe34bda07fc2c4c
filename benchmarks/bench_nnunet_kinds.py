"""Do anisotropic plans, cascades and regions give nnunetv2's own answer, in fp32 and in each profile?

    make bench-nnunet-kinds

Small networks of each kind are trained on phantoms (once; a few minutes), packaged, and asked about heads that they
have not seen. ``exact`` (bf16) and ``int8`` are added by what `ainode models profile` does, which refuses what is too
far from the network as trained; a refusal is a row. nnunetv2 sums up windows in fp32 here: see docs/decisions/0031.
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from numpy.typing import NDArray
from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from ainode_models.dice import dice
from ainode_models.errors import PackageError
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.orientation import to_canonical
from ainode_models.package import ModelPackage
from ainode_models.profiling import add_profile
from ainode_models.runtime import runtime_for
from ainode_models.volume import Volume
from nnunet_kinds.kind import KINDS, Kind
from nnunet_kinds.package import package_of
from nnunet_kinds.phantoms import PhantomCase, phantom_cases
from nnunet_kinds.training import train_kind
from peers.nnunet_results import nnunet_in_fp32

ROOT = Path(__file__).resolve().parents[1]
PEER = "nnunetv2 2.8.1"
TESTED, PROFILED = 70_000, 80_000
"""Seeds of the first head that is compared, and of the first that profiles are measured on."""
GOALS = {"exact": ("bf16", ">= 0.998", "<= 0.005"), "int8": ("int8", ">= 0.99", None)}
"""By the name of the profile: its numbers, then of the Dice of each label, and of its volume."""
Labels = NDArray[np.uint8]


def by_nnunetv2(stages: Sequence[NnunetFolder], case: PhantomCase) -> Labels:
    """Stage after stage, as nnUNetv2_predict does."""
    labels: Labels | None = None
    for stage in stages:
        predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(stage.path), stage.folds)
        before = None if labels is None else labels[None].astype(np.int16)
        with nnunet_in_fp32():
            found = predictor.predict_single_npy_array(case.image, {"spacing": case.spacing}, before)
        labels = found.astype(np.uint8)
    assert labels is not None
    return labels


def by_node(package: ModelPackage, cases: Sequence[PhantomCase]) -> list[Labels]:
    """In the profile of ``package``, in canonical axes."""
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    return [_canonical(runtime.predict(case.volumes).label_map, case) for case in cases]


def _canonical(labels: Labels, case: PhantomCase) -> Labels:
    volume, _ = to_canonical(Volume(labels, case.volumes["T1"].affine, "1.2"))
    return volume.array.astype(np.uint8)


def rows_of(kind: Kind, work: Path, count: int) -> Iterator[Row]:
    """Train, package, ask and compare."""
    stages = train_kind(kind, work)
    cases = list(phantom_cases(kind, count, first=TESTED))
    theirs = [by_nnunetv2(stages, case) for case in cases]
    for value, score in _dice([case.labels for case in cases], theirs).items():
        yield Row(metric=f"{kind.name}_label_{value}_dice_of_the_truth", value=score, unit="1", peer=PEER)
    for stage in stages:
        shutil.rmtree(stage.quantised, ignore_errors=True)
    package = package_of(kind, work, stages)
    ours = by_node(package, cases)
    equal = float(np.mean(np.concatenate([(a == b).ravel() for a, b in zip(theirs, ours, strict=True)])))
    yield _judged(f"{kind.name}_fp32_equal_voxels", round(equal, 6), ">= 0.9999")
    for profile, (numbers, least_dice, most_error) in GOALS.items():
        try:
            measured = [case.volumes for case in phantom_cases(kind, 12, first=PROFILED)]
            add_profile(package.folder, profile, measured)
        except PackageError as error:
            yield Row(metric=f"{kind.name}_{numbers}", value=f"refused: {str(error).partition(': ')[2]}", unit="")
            continue
        found = by_node(ModelPackage.open(package.folder).by(profile), cases)
        yield _judged(f"{kind.name}_{numbers}_dice_min", min(_dice(theirs, found).values()), least_dice)
        worst = round(max(_errors(theirs, found)), 5)
        name = f"{kind.name}_{numbers}_volume_error_max"
        yield _judged(name, worst, most_error) if most_error else Row(metric=name, value=worst, unit="1", peer=PEER)


def _dice(first: Sequence[Labels], second: Sequence[Labels]) -> dict[int, float]:
    """Of each label, over all voxels of all cases."""
    one, other = (np.concatenate([each.ravel() for each in every]) for every in (first, second))
    return {value: round(dice(one == value, other == value), 5) for value in (1, 2, 3)}


def _errors(first: Sequence[Labels], second: Sequence[Labels]) -> list[float]:
    """How much the volume of each label differs, over all cases, as a fraction."""
    sizes = [
        [sum(int(np.count_nonzero(each == value)) for each in every) for value in (1, 2, 3)]
        for every in (first, second)
    ]
    return [abs(other / one - 1) for one, other in zip(*sizes, strict=True)]


def _judged(metric: str, value: float, goal: str) -> Row:
    return Row.judged(metric, value, unit="1", peer=PEER, goal=goal)


def main() -> None:
    """Measure, print and write ``build/bench/nnunet-kinds.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=6, help="Heads of each kind that are compared.")
    parser.add_argument("--only", nargs="*", default=[kind.name for kind in KINDS])
    arguments = parser.parse_args()
    work, found = ROOT / "build" / "bench" / "work-nnunet-kinds", []
    for kind in KINDS:
        if kind.name in arguments.only:
            for row in rows_of(kind, work / kind.name, arguments.cases):
                Console().print(f"{row.metric}: {row.value}", highlight=False)
                found.append(row)
    report = Report(
        name="nnunet-kinds",
        rows=tuple(found),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "bench" / "nnunet-kinds.json")
    Console().print(report.table())


if __name__ == "__main__":
    main()
