"""How fast are 104 segments on 600 slices written, and how large are they: in each form, beside others.

    make bench-seg

This node, dcmqi's itkimage2segimage and plain highdicom take turns on the same label map, each in a process of its
own; an object for each segment only this node writes. Then cornerstone, the code of OHIF, opens what this node wrote.
"""

import argparse
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from statistics import median

from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from ainode_dicom_sr.segmentation_form import SegmentationForm
from peers.cornerstone import seen_by_cornerstone
from seg_writing import Writing, write
from whole_body import headers, write_study

ROOT = Path(__file__).resolve().parents[1]
PEERS = {"dcmqi": "dcmqi 1.5.7", "highdicom": "highdicom 0.28.2"}
_GOAL = ">= 1.0"


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
            metric = f"{program}_time_ratio_{form}"
            found.append(Row.judged(metric, round(seconds / own, 2), unit="1", goal=_GOAL, peer=PEERS[program]))
    return found


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
    parser.add_argument("--only", nargs="*", default=["ainode", *PEERS])
    arguments = parser.parse_args()
    work = ROOT / "build" / "bench" / f"work-seg-{arguments.slices}"
    work.mkdir(parents=True, exist_ok=True)
    write_study(work, arguments.slices)
    console = Console()
    writings: dict[tuple[str, SegmentationForm], list[Writing]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for form in SegmentationForm:
            for program in arguments.only:
                if form is SegmentationForm.SPLIT and program != "ainode":
                    continue
                done = write(program, form, work, arguments.slices)
                writings[program, form].append(done)
                said = f"{program}, {form}: {done.seconds:.1f} s, {done.peak_mb:.0f} MB memory, {done.mb:.1f} MB"
                console.print(said, highlight=False)
    report = Report(
        name="seg",
        rows=(*rows(writings), *opened(writings, work)),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "bench" / "seg.json")
    console.print(report.table())


if __name__ == "__main__":
    main()
