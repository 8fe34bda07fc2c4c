"""How fast are 104 segments on 600 slices made of logits and written, and how large are they: in each form, beside
others.

    make bench-seg

This node, dcmqi's itkimage2segimage and plain highdicom take turns on the same label map, each in a process of its
own; an object for each segment only this node writes. Then cornerstone, the code of OHIF, opens what this node wrote.
At last this node makes labels of logits on a coarser grid and writes them, and nnunetv2 makes the same labels of a few
slices: of all, its resampled logits would be 66 GB.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from ainode_dicom_sr.segmentation_form import SegmentationForm
from peers.cornerstone import seen_by_cornerstone
from seg_resampling import Resampled, resampled
from seg_writing import Writing, write
from whole_body import headers, write_study

ROOT = Path(__file__).resolve().parents[1]
PEERS = {"dcmqi": "dcmqi 1.5.7", "highdicom": "highdicom 0.28.2"}
RESAMPLER = "nnunetv2"
NNUNET = "nnunetv2 2.8.1"
RATIOS = {
    ("dcmqi", SegmentationForm.BINARY): ("seg_write_ratio", ">= 3"),
    ("dcmqi", SegmentationForm.LABELMAP): ("seg_write_ratio_labelmap", ">= 3"),
    ("highdicom", SegmentationForm.BINARY): ("highdicom_time_ratio_binary", ">= 1"),
    ("highdicom", SegmentationForm.LABELMAP): ("highdicom_time_ratio_labelmap", ">= 1"),
}
"""Name and goal of how many times as long as this node a peer takes."""
_FEW = 24
"""Slices whose logits nnunetv2 resamples in 4 GB."""


def rows(writings: dict[tuple[str, SegmentationForm], list[Writing]]) -> list[Row]:
    """Medians of all, and how many times faster and smaller than the peers this node is."""
    found = []
    for (program, form), done in writings.items():
        seconds = median(each.seconds for each in done)
        found += [
            Row(metric=f"{program}_{form}_s", value=round(seconds, 2), unit="s"),
            Row(metric=f"{program}_{form}_peak_mb", value=round(max(each.peak_mb for each in done)), unit="MB"),
            Row(metric=f"{program}_{form}_mb", value=round(done[0].mb, 1), unit="MB"),
        ]
        if program != "ainode":
            own = median(each.seconds for each in writings["ainode", form])
            metric, goal = RATIOS[program, form]
            found.append(Row.judged(metric, round(seconds / own, 2), unit="1", goal=goal, peer=PEERS[program]))
    return found


def resampling_rows(whole: Resampled, few: dict[str, list[Resampled]]) -> list[Row]:
    """Of the whole volume, and of a few slices beside the peer, if it was there."""
    found = [
        Row(metric="resample_s", value=round(whole.resample_s, 1), unit="s"),
        Row(metric="resample_write_s", value=round(whole.write_s, 2), unit="s"),
        Row(metric="resample_beside_logits_mb", value=round(whole.extra_mb), unit="MB"),
        Row.judged("resample_write_peak_mb", round(whole.peak_mb), unit="MB", goal="<= 3000"),
    ]
    if not few:
        return found
    own, its = few["ainode"], few[RESAMPLER]
    equal = np.mean(np.load(own[0].labels) == np.load(its[0].labels))
    ratios = {
        "time": median(each.resample_s for each in its) / median(each.resample_s for each in own),
        "memory": max(each.extra_mb for each in its) / max(each.extra_mb for each in own),
        "equal_voxels": float(equal),
    }
    return found + [
        Row(metric=f"resample_{_FEW}_slices_{what}_ratio", value=round(ratio, 6), unit="1", peer=NNUNET)
        for what, ratio in ratios.items()
    ]


def measure_writing(
    work: Path, slices: int, *, rounds: int, programs: Sequence[str]
) -> dict[tuple[str, SegmentationForm], list[Writing]]:
    """All forms by all programs that know them, in turns."""
    writings: dict[tuple[str, SegmentationForm], list[Writing]] = defaultdict(list)
    for _, form, program in product(range(rounds), SegmentationForm, programs):
        if program == "ainode" or (program, form) in RATIOS:
            done = write(program, form, work, slices)
            writings[program, form].append(done)
            _say(f"{program}, {form}: {done.seconds:.1f} s, {done.peak_mb:.0f} MB memory, {done.mb:.1f} MB")
    return writings


def measure_resampling(work: Path, slices: int, *, rounds: int, beside: bool) -> list[Row]:
    """The whole volume once, then, in turns, a few slices by this node and by nnunetv2."""
    whole = resampled("ainode", work, slices)
    _say(f"resampled: {whole.resample_s:.1f} s, {whole.peak_mb:.0f} MB memory with the logits and the writing")
    few: dict[str, list[Resampled]] = defaultdict(list)
    for _, program in product(range(rounds if beside else 0), ("ainode", RESAMPLER)):
        few[program].append(resampled(program, work, min(_FEW, slices)))
    return resampling_rows(whole, few)


def _say(text: str) -> None:
    Console().print(text, highlight=False)


def opened(writings: dict[tuple[str, SegmentationForm], list[Writing]], folder: Path) -> list[Row]:
    """How long cornerstone takes to open each form, and the largest object of one that has several."""
    sources = headers(folder)
    largest = {
        form: max(writings["ainode", form][0].paths, key=lambda path: path.stat().st_size) for form in SegmentationForm
    }
    return [
        Row(
            metric=f"cornerstone_opens_{form}_s",
            value=round(seen_by_cornerstone(path, sources, folder / "seen").seconds, 2),
            unit="s",
        )
        for form, path in largest.items()
    ]


def main() -> None:
    """Measure, print and write ``build/bench/seg.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["ainode", *PEERS, RESAMPLER])
    arguments = parser.parse_args()
    work = ROOT / "build" / "bench" / f"work-seg-{arguments.slices}"
    work.mkdir(parents=True, exist_ok=True)
    write_study(work, arguments.slices)
    writings = measure_writing(work, arguments.slices, rounds=arguments.rounds, programs=arguments.only)
    beside = RESAMPLER in arguments.only
    made = measure_resampling(work, arguments.slices, rounds=arguments.rounds, beside=beside)
    report = Report(
        name="seg",
        rows=(*rows(writings), *opened(writings, work), *made),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "bench" / "seg.json")
    Console().print(report.table())


if __name__ == "__main__":
    main()
