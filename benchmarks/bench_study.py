"""How long after its last image do the results of a study lie in Orthanc, and how much of that is not the model's?

    make bench-study                # ROUNDS=20

`ainode serve` beside a real Orthanc. dcmtk's storescu sends studies of 155 MR slices (240 x 240, a head made by a
computer) for ``t1-head-demo``; the clock runs from the end of storescu until Orthanc's QIDO-RS shows SEG and SR. The
configured quiet time is taken off everywhere; ``overhead`` is what is left of one study at a time without the seconds
that the model itself computed, as the node's log says them. ``studies_N`` are N studies sent at once, and
``studies_N_cases_per_s`` counts them from the end of the first storescu. The model is warm: a study before the clock
runs sees to that. ``indexed`` is part of the quiet time, which counts from the last image, not of the overhead.
"""

import argparse
import os
import shutil
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from peers.node import NodeServer
from peers.orthanc import OrthancServer
from study_load.chart import draw
from study_load.moments import PHASES, Moments, moments_of
from study_load.round import Outcome, run_round
from study_load.studies import Studies

ROOT = Path(__file__).resolve().parents[1]
GOAL_S = 1.5
"""Of the overhead of one study, for 95 of 100."""


class Bench:
    """The measurements, as they come."""

    def __init__(self, studies: Studies, node: NodeServer, dicomweb: str, *, console: Console, seconds: float) -> None:
        self.moments: dict[int, list[Moments]] = {}
        self.rates: dict[int, list[float]] = {}
        self.errors = 0
        self._studies = studies
        self._node = node
        self._dicomweb = dicomweb
        self._console = console
        self._seconds = seconds

    def warm_up(self) -> None:
        """A study that is not measured; RuntimeError when it does not come back."""
        (outcome,) = self._round(1)
        if outcome.found is None:
            raise RuntimeError(f"no results of the first study; see {self._node.log}")

    def measure(self, at_once: int) -> None:
        """So many studies, sent at once."""
        outcomes = self._round(at_once)
        moments = [moments for outcome in outcomes if (moments := self._moments(outcome))]
        self.errors += len(outcomes) - len(moments)
        self.moments.setdefault(at_once, []).extend(moments)
        if len(moments) == at_once:
            took = max(m.found for m in moments) - min(m.sent for m in moments) - moments[0].quiet_s
            self.rates.setdefault(at_once, []).append(at_once / took)
        told = ", ".join(f"{m.whole_s:.2f} s ({m.overhead_s:.2f} without the model)" for m in moments)
        self._console.print(f"{at_once} at once: {told}", highlight=False)

    def _moments(self, outcome: Outcome) -> Moments | None:
        wrong = f"no results in {self._seconds:g} s"
        if outcome.found is not None:
            try:
                return moments_of(outcome.study.uid, self._node, sent=outcome.sent, found=outcome.found)
            except RuntimeError as error:
                wrong = str(error)
        self._console.print(f"study {outcome.study.uid}: {wrong}; see {self._node.log}", highlight=False)
        return None

    def _round(self, at_once: int) -> list[Outcome]:
        studies = [self._studies.next() for _ in range(at_once)]
        outcomes = run_round(studies, self._node, self._dicomweb, seconds=self._seconds)
        for study in studies:
            study.remove()
        return outcomes

    def rows(self) -> list[Row]:
        """Everything in the one format."""
        alone = self.moments[1]
        overheads = [m.overhead_s for m in alone]
        found = [
            Row(metric="quiet_s", value=alone[0].quiet_s, unit="s"),
            Row(metric="indexed_p50_s", value=_p50([m.indexed - m.sent for m in alone]), unit="s"),
            Row(metric="model_p50_s", value=_p50([m.model_s for m in alone]), unit="s"),
            Row(metric="overhead_p50_s", value=_p50(overheads), unit="s"),
            Row.judged("overhead_p95_s", _p95(overheads), unit="s", goal=f"<= {GOAL_S}"),
        ]
        found += [
            Row(metric=f"overhead_{name.replace(' ', '_')}_p50_s", value=value, unit="s")
            for name, value in self.phases().items()
        ]
        for count, moments in self.moments.items():
            whole = [m.whole_s for m in moments]
            found.append(Row(metric=f"studies_{count}_p50_s", value=_p50(whole), unit="s"))
            found.append(Row(metric=f"studies_{count}_p95_s", value=_p95(whole), unit="s"))
            if count in self.rates:
                rate = round(median(self.rates[count]), 3)
                found.append(Row(metric=f"studies_{count}_cases_per_s", value=rate, unit="/s"))
        return [*found, Row.judged("errors", self.errors, unit="1", goal="= 0")]

    def phases(self) -> dict[str, float]:
        """Median of each part of the overhead of one study, seconds."""
        return {name: _p50([m.phases[name] for m in self.moments[1]]) for name in PHASES}


def main() -> None:
    """Measure, print, and write ``build/bench/study.json`` and ``study.png``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="studies one at a time")
    parser.add_argument("--at-once", type=int, nargs="*", default=[2, 4, 8])
    parser.add_argument("--at-once-rounds", type=int, default=5, help="rounds of each of these")
    parser.add_argument("--slices", type=int, default=155)
    parser.add_argument("--rows", type=int, default=240)
    parser.add_argument("--quiet", type=float, default=2.0, help="seconds, as in the settings")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a study counts as an error")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench" / "work-study")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "study.json")
    arguments = parser.parse_args()
    console = Console()
    shutil.rmtree(arguments.work, ignore_errors=True)
    os.environ.setdefault("XDG_CACHE_HOME", str(ROOT / "build" / "cache"))
    studies = Studies(arguments.work / "sent", slices=arguments.slices, rows=arguments.rows)
    with ExitStack() as stack:
        orthanc = stack.enter_context(OrthancServer(arguments.work / "orthanc"))
        node = stack.enter_context(
            NodeServer(arguments.work / "node", orthanc, quiet=arguments.quiet, models=arguments.models)
        )
        bench = Bench(studies, node, orthanc.dicomweb_url, console=console, seconds=arguments.limit)
        bench.warm_up()
        for _ in range(arguments.rounds):
            bench.measure(1)
        for _ in range(arguments.at_once_rounds):
            for count in arguments.at_once:
                bench.measure(count)
    report = Report(
        name="study",
        rows=(Row(metric="slices", value=arguments.slices, unit="1"), *bench.rows()),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(arguments.out)
    whole = {count: [m.whole_s for m in moments] for count, moments in bench.moments.items()}
    overheads = [m.overhead_s for m in bench.moments[1]]
    draw(arguments.out.with_suffix(".png"), bench.phases(), overheads, whole, goal=GOAL_S)
    console.print(report.table())


def _p50(values: list[float]) -> float:
    return round(median(values), 3)


def _p95(values: list[float]) -> float:
    return round(float(np.percentile(values, 95)), 3)


if __name__ == "__main__":
    main()
