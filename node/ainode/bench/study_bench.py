"""How long after its last image do the results of a study lie in Orthanc, and how much of that is not the model's?

A node beside a real Orthanc, both in a folder of their own. dcmtk's storescu sends studies of 155 MR slices
(240 x 240, a head made by a computer) for ``t1-head-demo``; the clock runs from the end of storescu until Orthanc's
QIDO-RS shows SEG and SR. The configured quiet time is taken off everywhere; ``overhead`` is what is left of one study
at a time without the seconds that the model itself computed, as the node's log says them. ``studies_N`` are N studies
sent at once, and ``studies_N_cases_per_s`` counts them from the end of the first storescu. The model is warm: a study
before the clock runs sees to that. ``indexed`` is part of the quiet time, which counts from the last image, not of the
overhead.
"""

from collections.abc import Callable
from statistics import median

import numpy as np

from ainode.bench.study_cases import Studies
from ainode.bench.study_moments import PHASES, Moments, moments_of
from ainode.bench.study_round import Outcome, run_round
from ainode.cli.journal import Journal
from ainode.demo.site import DemoSite
from ainode.measurement import Row
from ainode_models.errors import ModelError

GOAL_S = 1.5
"""Of the overhead of one study, for 95 of 100."""


class StudyBench:
    """The measurements, as they come."""

    def __init__(
        self, studies: Studies, site: DemoSite, book: Journal, *, tell: Callable[[str], None], seconds: float
    ) -> None:
        """``book`` is the journal of the site's node; what has no results after ``seconds`` is an error."""
        self.moments: dict[int, list[Moments]] = {}
        self.rates: dict[int, list[float]] = {}
        self.errors = 0
        self._studies = studies
        self._site = site
        self._book = book
        self._tell = tell
        self._seconds = seconds

    def warm_up(self) -> None:
        """A study that is not measured; raises `ModelError` when it does not come back."""
        (outcome,) = self._round(1)
        if outcome.found is None:
            raise ModelError(f"no results of the first study; see {self._site.node_log}")

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
        self._tell(f"{at_once} at once: {told}")

    def _moments(self, outcome: Outcome) -> Moments | None:
        wrong = f"no results in {self._seconds:g} s"
        if outcome.found is not None:
            try:
                quiet = self._site.settings.complete.quiet
                return moments_of(outcome, self._book, self._site.node_log, quiet_s=quiet)
            except ModelError as error:
                wrong = str(error)
        self._tell(f"study {outcome.study.uid}: {wrong}; see {self._site.node_log}")
        return None

    def _round(self, at_once: int) -> list[Outcome]:
        studies = [self._studies.next() for _ in range(at_once)]
        port, dicomweb = self._site.settings.dicom.port, self._site.orthanc.dicomweb_url
        outcomes = run_round(studies, port, dicomweb, seconds=self._seconds)
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


def _p50(values: list[float]) -> float:
    return round(median(values), 3)


def _p95(values: list[float]) -> float:
    return round(float(np.percentile(values, 95)), 3)
