"""Looks at open studies, and queues the runs of those that are complete."""

from collections.abc import Callable, Mapping, Sequence

import structlog

from ainode.complete.archive_counts import ArchiveCounts
from ainode.complete.held_study import held_study
from ainode.complete.verdict import Facts, Patience, Verdict, judge
from ainode.journal.instances import InstanceJournal
from ainode.journal.runs import RunJournal
from ainode.journal.studies import StudyJournal, StudyRow
from ainode.receive.spool import Spool
from ainode.route.plan import Planner
from ainode.study import Study
from ainode_models.errors import AinodeError

log = structlog.get_logger()

_LOOK_AGAIN = 2.0
"""Seconds after which a study is looked at again that rules or models cannot serve as they are."""


class Completer:
    """Settles each open study: complete with its runs, or waiting with the reason."""

    def __init__(
        self,
        *,
        instances: InstanceJournal,
        studies: StudyJournal,
        runs: RunJournal,
        spool: Spool,
        planner: Planner,
        archives: Sequence[ArchiveCounts],
        patience: Patience,
        clock: Callable[[], float],
    ) -> None:
        self._instances = instances
        self._studies = studies
        self._runs = runs
        self._spool = spool
        self._planner = planner
        self._archives = archives
        self._patience = patience
        self._clock = clock
        self._seen: dict[str, tuple[object, float]] = {}

    def step(self) -> int:
        """Look at every study that is due; how many were settled as complete or unrouted."""
        return sum(self._settle(row) for row in self._studies.due())

    def _settle(self, row: StudyRow) -> bool:
        study = held_study(row.study_uid, self._instances.of_study(row.study_uid), self._spool)
        try:
            verdict = self._judge(row, study)
        except AinodeError as error:  # rules or models cannot be used now: nothing is lost, the study waits
            quiet = self._clock() - row.changed_at >= self._patience.quiet
            verdict = Verdict("waiting" if quiet else "receiving", str(error), _LOOK_AGAIN)
        state = "routed" if verdict.state == "complete" else verdict.state
        if not self._studies.settle(row, state, verdict.reason, check_in=verdict.check_in):
            return False
        if state in ("routed", "unrouted"):
            self._seen.pop(row.study_uid, None)
        if (state, verdict.reason) != (row.state, row.reason) and state != "receiving":
            log.info("study", study=row.study_uid, state=state, reason=verdict.reason)
        return state in ("routed", "unrouted")

    def _judge(self, row: StudyRow, study: Study) -> Verdict:
        plan = self._planner.plan(study)
        held = {series.series_uid: len(series.sop_uids) for series in study.series}
        archives = {archive.name: counts for archive in self._archives if (counts := archive.of_study(row.study_uid))}
        facts = Facts(
            quiet_for=self._clock() - row.changed_at,
            wanted=plan.wanted,
            waiting_for=plan.waiting_for,
            held=held,
            archives=archives,
            unchanged_for=self._unchanged_for(row, archives),
        )
        verdict = judge(facts, self._patience, plan.unwanted)
        if verdict.state == "complete":
            for spec in plan.specs:
                new = self._runs.create(spec)
                log.info("run queued" if new else "run known", run=spec.run_id, study=row.study_uid, rule=spec.rule)
        return verdict

    def _unchanged_for(self, row: StudyRow, archives: Mapping[str, Mapping[str, int]]) -> float:
        """Seconds since the study or what the archives count of it last changed, as far as was looked."""
        now = self._clock()
        signature = (row.changed_at, archives)
        before, since = self._seen.get(row.study_uid, (None, now))
        if before != signature:
            since = now
        self._seen[row.study_uid] = (signature, since)
        return now - since
