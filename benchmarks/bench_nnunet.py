"""How fast are nnU-Nets on this machine's CPU, beside nnunetv2's own predictor: array in, label map out.

    make bench-nnunet

The standard network (31 million parameters, four channels, a patch of 128 in each direction, random weights, mirroring)
and the demonstration model, each warm, in turns, each in a process of its own.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.dice import dice
from ainode_models.nnunet.quantisation import Image, quantise
from ainode_models.openvino_cache import Converted
from ainode_models.orientation import to_canonical
from nnunet_case import WHO, folder_of
from standard_nnunet import write_standard

ROOT = Path(__file__).resolve().parents[1]
PEER = "nnunetv2 2.8.1"
GOALS = {
    ("exact", "fp32"): ">= 1.0",
    ("exact", "bf16"): ">= 3.3",
    ("exact", "int8"): ">= 5.5",
    ("resampled", "bf16"): ">= 3.5",
    ("demo", "bf16"): ">= 3.5",
}
DEMO_GOALS = {
    "fp32": (">= 0.9999", None, None),
    "bf16": (None, ">= 0.998", "<= 0.005"),
    "int8": (None, ">= 0.99", None),
}
"""Of equal voxels, of the Dice of each label, and of its volume."""


def write_cases(work: Path, *, size: int) -> Mapping[str, tuple[Path, Path]]:
    """Result folder and case of each measurement; ``size`` is the patch of the standard network."""
    standard = write_standard(work / f"standard-{size}", patch=size)
    rng = np.random.default_rng(4)
    shape = (size, size * 5 // 4, size)
    image = rng.normal(size=(4, *shape)).astype(np.float32)
    head, spacing = tumour(5)
    demo = work / "demo"
    shutil.copytree(ROOT / "models" / "brain-tumour-demo" / "nnunet", demo, dirs_exist_ok=True)
    quantise_once(standard, [(image, [1.0, 1.0, 1.0])])
    others = [tumour(seed) for seed in range(6, 10)]
    quantise_once(demo, others)
    return {
        "exact": (standard, _case(work / "exact.npz", image, (1.0, 1.0, 1.0), mirroring=True)),
        "resampled": (standard, _case(work / "resampled.npz", image[:, ::3].copy(), (3.0, 1.0, 1.0), mirroring=True)),
        "demo": (demo, _case(work / "demo.npz", head, spacing, mirroring=False)),
    }


def tumour(seed: int) -> Image:
    """A head as the demonstration package takes it."""
    phantom = brain_tumour_phantom(np.random.default_rng(seed), spacing=(3.0, 2.0, 2.0))
    volumes = [to_canonical(phantom.volumes[name])[0] for name in ("T1", "T1c", "T2", "FLAIR")]
    return np.stack([volume.array.astype(np.float32) for volume in volumes]), list(volumes[0].spacing)


def quantise_once(path: Path, images: list[Image]) -> None:
    """Make the networks in int8, unless they are there."""
    folder = folder_of(path, mirroring=False)
    if Converted.read(folder.quantised) is None:
        quantise(folder, images)


def _case(path: Path, image: NDArray[np.float32], spacing: Sequence[float], *, mirroring: bool) -> Path:
    np.savez(path, image=image, spacing=np.array(spacing), mirroring=mirroring)
    return path


def predict(who: str, folder: Path, case: Path) -> dict[str, float]:
    """Seconds and peak memory of one prediction in a fresh process, warm."""
    command = [sys.executable, str(Path(__file__).with_name("nnunet_case.py")), who, str(folder), str(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def rows(found: Mapping[tuple[str, str], list[dict[str, float]]], work: Path) -> list[Row]:
    """Medians of all, and the peer's over ours."""
    made = []
    for (case, who), done in found.items():
        made += [
            Row(metric=f"{case}_{who}_s", value=round(median(each["seconds"] for each in done), 2), unit="s"),
            Row(metric=f"{case}_{who}_peak_mb", value=round(max(each["peak_mb"] for each in done)), unit="MB"),
        ]
    for case, who in found:
        if who != WHO[0]:
            made += _compared(case, who, found, work)
    return made


def _compared(case: str, who: str, found: Mapping[tuple[str, str], list[dict[str, float]]], work: Path) -> list[Row]:
    precision = who.rpartition("_")[2]
    peer, own = found[case, WHO[0]], found[case, who]
    ratio = round(median(each["seconds"] for each in peer) / median(each["seconds"] for each in own), 2)
    memory = round(max(each["peak_mb"] for each in peer) / max(each["peak_mb"] for each in own), 2)
    labels = [np.load(work / f"{case}-{each}.npy") for each in (WHO[0], who)]
    name, equal = f"{case}_{precision}", round(float(np.mean(labels[0] == labels[1])), 6)
    speed = [
        _row(f"{name}_ratio", ratio, GOALS.get((case, precision))),
        _row(f"{name}_peak_memory_ratio", memory, ">= 2.0" if case != "demo" else None),
    ]
    if case != "demo":
        return [*speed, _row(f"{name}_equal_voxels", equal, None)]
    values = np.unique(labels[0][labels[0] > 0])
    sizes = [[np.count_nonzero(each == value) for value in values] for each in labels]
    least = min(dice(labels[0] == value, labels[1] == value) for value in values)
    error = max(abs(other / one - 1) for one, other in zip(*sizes, strict=True))
    goals = DEMO_GOALS[precision]
    return [
        *speed,
        _row(f"{name}_equal_voxels", equal, goals[0]),
        _row(f"{name}_dice_min", round(least, 5), goals[1]),
        _row(f"{name}_volume_error_max", round(float(error), 5), goals[2]),
    ]


def _row(metric: str, value: float, goal: str | None) -> Row:
    more: dict[str, Any] = {"metric": metric, "value": value, "unit": "1", "peer": PEER}
    return Row.judged(**more, goal=goal) if goal else Row(**more)


def main() -> None:
    """Measure, print and write ``build/bench/nnunet.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="Patch of the standard network.")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=["exact", "resampled", "demo"])
    arguments = parser.parse_args()
    work = ROOT / "build" / "bench" / "work-nnunet"
    work.mkdir(parents=True, exist_ok=True)
    console = Console()
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    # What it takes to quantise would count as the peak of every process that this one starts.
    apart = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    for _ in range(arguments.rounds):
        for case, (folder, file) in apart.submit(write_cases, work, size=arguments.size).result().items():
            for who in WHO if case in arguments.only else ():
                done = predict(who, folder, file)
                found[case, who].append(done)
                said = f"{case}, {who}: {done['seconds']:.1f} s, {done['peak_mb']:.0f} MB"
                console.print(said, highlight=False)
    report = Report(
        name="nnunet",
        rows=tuple(rows(found, work)),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "bench" / "nnunet.json")
    console.print(report.table())


if __name__ == "__main__":
    main()
