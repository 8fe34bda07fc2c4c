"""How fast is the chest X-ray ensemble on this machine's CPU, beside torch in fp32, eager: pictures in, softmax out.

    make bench-cxr

Net by net and all three, eight pictures of 224 x 224 at once, warm, in turns. Two packages of the same architectures:
one with drawn weights and heads that learnt nothing, and the demonstration, whose heads learnt to tell very small
differences apart. Each runs in the numbers that it chose for itself; one that chose bf16 in fp32, too.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from ainode_models.cxr.ask import BATCH, Pictures
from ainode_models.cxr.conversion import converted
from ainode_models.cxr.ensemble import Ensemble, by_torch
from ainode_models.cxr.openvino_voter import OpenVinoVoter
from ainode_models.cxr.settings import CxrSettings
from ainode_models.package import ModelPackage
from cxr_nets import drawn_chests, drawn_package

ROOT = Path(__file__).resolve().parents[1]
PEER = f"torch {version('torch')}, fp32, eager"
GOAL = ">= 2.7"
PICTURES = 800_000
"""Seed of the first drawing; no package was made or tried with it."""

Seconds = Mapping[tuple[str, str], list[float]]
"""Of a batch in each round, by what was asked (a net, or ``ensemble``) and by whom."""


def ensembles(package: ModelPackage) -> dict[str, Ensemble]:
    """Torch's, ours, and ours in fp32."""
    settings = CxrSettings.of(package)
    own, found = Ensemble.load(package, "cpu"), converted(package, settings)
    assert found, "the nets were converted when they were loaded"
    exact = {name: OpenVinoVoter(found.networks[name]) for name in own.voters}
    made = {"torch": by_torch(package, "cpu"), "ainode": own}
    return {**made, "ainode_fp32": replace(own, voters=exact)} if own.rounded else made


def timed(by: Mapping[str, Ensemble], pictures: Pictures, rounds: int) -> Seconds:
    """Each net, and all of them, by everybody in turns; the first round warms up and does not count."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for what in (*by["torch"].voters, "ensemble"):
            for who, ensemble in by.items():
                seconds = _seconds(_asking(ensemble, what, pictures))
                found[what, who] += [seconds] if number else []
    return found


def _asking(ensemble: Ensemble, what: str, pictures: Pictures) -> Callable[[], object]:
    asked = ensemble if what == "ensemble" else replace(ensemble, voters={what: ensemble.voters[what]})
    return lambda: asked.members(pictures)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def rows(found: Seconds, *, prefix: str, goal: str | None) -> Iterator[Row]:
    """Pictures a second, and torch's median over ours."""
    for (what, who), seconds in found.items():
        yield Row(
            metric=f"{prefix}{what}_{who}_images_s",
            value=round(BATCH / median(seconds), 1),
            unit="/s",
            peer=PEER if who == "torch" else None,
        )
    for what, who in found:
        if who != "torch":
            ratio = round(median(found[what, "torch"]) / median(found[what, who]), 2)
            name = f"{prefix}{what}_{who.removeprefix('ainode').removeprefix('_')}_ratio".replace("__", "_")
            judged = goal if who == "ainode" else None
            yield _row(name, ratio, judged)


def compared(by: Mapping[str, Ensemble], *, prefix: str, count: int) -> Iterator[Row]:
    """Largest difference of a probability of a net from torch's, and the numbers that each net computes in."""
    pictures = drawn_chests(count, first=PICTURES)
    ours, theirs = by["ainode"].members(pictures), by["torch"].members(pictures)
    worst = max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)
    yield _row(f"{prefix}probability_difference_max", worst, "<= 0.01")
    for name, voter in by["ainode"].voters.items():
        precision = voter.precision if isinstance(voter, OpenVinoVoter) else "torch fp32"
        yield Row(metric=f"{prefix}{name}_precision", value=precision, unit="")


def _row(metric: str, value: float, goal: str | None) -> Row:
    if goal is None:
        return Row(metric=metric, value=value, unit="1", peer=PEER)
    return Row.judged(metric, value, unit="1", peer=PEER, goal=goal)


def main() -> None:
    """Measure, print and write ``build/bench/cxr.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=32, help="Drawings on which probabilities are compared.")
    arguments = parser.parse_args()
    work = ROOT / "build" / "bench" / "work-cxr"
    packages = {"": drawn_package(work), "demo_": ModelPackage.open(ROOT / "models" / "chest-xray-demo")}
    found: list[Row] = []
    for prefix, package in packages.items():
        by = ensembles(package)
        seconds = timed(by, drawn_chests(BATCH, first=PICTURES), arguments.rounds)
        found += rows(seconds, prefix=prefix, goal=None if prefix else GOAL)
        found += compared(by, prefix=prefix, count=arguments.pictures)
    report = Report(
        name="cxr",
        rows=tuple(found),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "bench" / "cxr.json")
    Console().print(report.table())


if __name__ == "__main__":
    main()
