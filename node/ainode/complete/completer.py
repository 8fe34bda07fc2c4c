"""Looks at open studies, and queues the runs of those that are complete."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ainode.complete.archive_counts import ArchiveCounts
from ainode.complete.held_study import held_study
from ainode.complete.verdict import Facts, Patience, Verdict, judge
from ainode.journal.instances import InstanceJournal, InstanceRow
from ainode.journal.runs import RunJournal
from ainode.journal.studies import StudyJournal, StudyRow
from ainode.receive.spool import Spool
from ainode.route.plan import Planner
from ainode_models.errors import AinodeError

log = structlog.get_logger()

_SOONEST = 0.1
"""Seconds between two looks at one study, at least; each asks the archives."""
_LOOK_AGAIN = 2.0
"""Seconds after which a study is looked at again that rules or models cannot serve as they are."""
_LONGEST_BACKLOG = 60.0
"""Seconds that images which cannot be indexed hold up the studies that they may belong to."""
_SHARE_OF_WAIT, _RAREST = 0.1, 600.0
"""Pause between two looks at a study that waits, as a part of its wait so far, and at most, seconds."""


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
        self._started = clock()
        self._next_check: float | None = None
        self._seen: dict[str, tuple[object, float]] = {}

    def step(self) -> int:
        """Look at every study that is due; how many were settled as complete or unrouted."""
        self._next_check = None  # until it is known again: a database that is away is not asked all the time
        due = self._studies.due()
        known_until = self._known_until() if due else 0.0  # before their images are counted
        settled = sum(self._settle(row, known_until) for row in due)
        self._next_check = self._studies.next_check()
        return settled

    def rest(self) -> float:
        """Seconds until the next look at a study that is known of."""
        return math.inf if self._next_check is None else self._next_check - self._clock()

    def _settle(self, row: StudyRow, known_until: float) -> bool:
        verdict = self._verdict(row, known_until)
        state = "routed" if verdict.state == "complete" else verdict.state
        if not self._studies.settle(row, state, verdict.reason, check_in=self._check_in(row, verdict)):
            return False
        if state in ("routed", "unrouted"):
            self._seen.pop(row.study_uid, None)
        if (state, verdict.reason) != (row.state, row.reason) and state != "receiving":
            log.info("study", study=row.study_uid, state=state, reason=verdict.reason)
        return state in ("routed", "unrouted")

    def _verdict(self, row: StudyRow, known_until: float) -> Verdict:
        """The verdict; whatever is wrong with the study, or with rules and models, it waits and nothing is lost."""
        try:
            return self._judge(row, known_until)
        except AinodeError as error:
            reason = str(error)
        except SQLAlchemyError:
            raise
        except Exception as error:
            log.exception("study not judged", study=row.study_uid)
            reason = f"internal error ({type(error).__name__}) when it was looked at; the node's log has the details"
        quiet = self._clock() - row.changed_at >= self._patience.quiet
        return Verdict("waiting" if quiet else "receiving", reason, _LOOK_AGAIN)

    def _check_in(self, row: StudyRow, verdict: Verdict) -> float:
        """Seconds until the next look: the longer a study waits, the rarer, for those that wait only grow in number.

        A new instance has it looked at at once.
        """
        if verdict.state != "waiting":
            return max(_SOONEST, verdict.check_in)  # also while its end is near, but images wait to be indexed
        return max(verdict.check_in, min(_RAREST, _SHARE_OF_WAIT * (self._clock() - row.changed_at)))

    def _judge(self, row: StudyRow, known_until: float) -> Verdict:
        if lacking := self._studies.lacking(row.study_uid):
            return Verdict("waiting", _lacks(lacking), self._patience.interval)
        rows = self._instances.of_study(row.study_uid)
        study = held_study(row.study_uid, rows, self._spool)
        plan = self._planner.plan(study)
        archives = {archive.name: counts for archive in self._archives if (counts := archive.of_study(row.study_uid))}
        if silent := self._silent(row, archives):
            reason = f"it is not all fetched from archive {silent}, which does not say how many instances it has"
            return Verdict("waiting", reason, self._patience.interval)
        unchanged_for = self._unchanged_for(row, archives)
        facts = Facts(
            quiet_for=self._quiet_for(row, rows, known_until, unchanged_for=unchanged_for),
            wanted=plan.wanted,
            waiting_for=plan.waiting_for,
            held={series.series_uid: len(series.sop_uids) for series in study.series},
            archives=archives,
            unchanged_for=unchanged_for,
        )
        verdict = judge(facts, self._patience, plan.unwanted)
        if verdict.state == "complete" and (mixed := _patients(rows)):
            return Verdict("waiting", mixed, self._patience.interval)
        if verdict.state == "complete":
            for spec in plan.specs:
                new = self._runs.create(spec)
                log.info("run queued" if new else "run known", run=spec.run_id, study=row.study_uid, rule=spec.rule)
            if plan.held_up:
                return Verdict("waiting", "; ".join(plan.held_up), _LOOK_AGAIN)
        return verdict

    def _known_until(self) -> float:
        """Whatever came before is indexed, or refused."""
        waiting = self._spool.arrivals()  # before the journal is asked: they move from there into it
        waiting += [row.received_at for row in self._instances.to_index(limit=1)]
        return min([*waiting, self._clock()])

    def _quiet_for(
        self, row: StudyRow, rows: Sequence[InstanceRow], known_until: float, *, unchanged_for: float
    ) -> float:
        """Seconds without an image, up to ``known_until``: one that came since may be of this study.

        They count from the coming of the last image, not from its indexing, but not from before the start of this node:
        a sender that it was cut off from comes again. What waits to be indexed for very long cannot be read, and holds
        up no study for ever.
        """
        last = max((self._started, *(image.received_at for image in rows)))
        now = self._clock()
        if max(last, row.changed_at) > now:  # the clock was set back
            return unchanged_for
        return max(known_until - last, now - row.changed_at - _LONGEST_BACKLOG)

    def _silent(self, row: StudyRow, archives: Collection[str]) -> str:
        """An archive that is still to be fetched from and cannot be asked: quiet only means that it is down."""
        fetching = self._studies.fetching(row.study_uid) - set(archives)
        return next((archive.name for archive in self._archives if archive.name in fetching), "")

    def _unchanged_for(self, row: StudyRow, archives: Mapping[str, Mapping[str, int]]) -> float:
        """Seconds since the study or what the archives count of it last changed, as far as was looked."""
        now = self._clock()
        signature = (row.changed_at, archives)
        before, since = self._seen.get(row.study_uid, (None, now))
        if before != signature or since > now:
            since = now
        self._seen[row.study_uid] = (signature, since)
        return now - since


def _patients(rows: Sequence[InstanceRow]) -> str:
    """What is wrong when the images of a study are not of one patient: a correction that has come in part."""
    counts = Counter(row.patient for row in rows if row.patient)
    if len(counts) < 2:
        return ""
    sizes = " and ".join(str(count) for _, count in counts.most_common())
    return f"its images name {len(counts)} patients by PatientID ({sizes} images): send all of it again as corrected"


def _lacks(count: int) -> str:
    """A run on the rest would replace the result that was made of all images."""
    return (
        f"{count} of its images were deleted here after their time; send the whole study again, or have it "
        "reconsidered without them"
    )
