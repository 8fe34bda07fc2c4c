"""Brings the instances of changed studies from an archive into the spool."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog

from ainode.fetch.metrics import FETCHED
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.journal.runs import RunJournal
from ainode.journal.studies import StudyJournal
from ainode.receive.free_space import DiskNearlyFull
from ainode.receive.spool import Spool
from ainode_models.errors import AinodeError, PeerRefused, PeerUnreachable
from ainode_orthanc.dicomweb import DicomWebClient, sop_instance_uid
from ainode_orthanc.multipart import Part

log = structlog.get_logger()

_JOURNAL_BATCH = 50
"""Instances per journal transaction: a crash fetches at most so many again."""
_SETTLE_SECONDS = 1.0
"""Silence of the feed about a study before it is fetched: whole series in one answer, not instance by instance."""
_STUDIES_PER_STEP = 10
"""A stop of the node waits for the step under way."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
"""Seconds after the first failure to fetch a study, doubled each time, and at most."""


@dataclass(frozen=True)
class _Failures:
    count: int
    next_at: float


class Fetcher:
    """Fetches what the node does not hold, and did not make, of each changed study of one archive."""

    def __init__(
        self,
        archive: str,
        client: DicomWebClient,
        spool: Spool,
        *,
        instances: InstanceJournal,
        studies: StudyJournal,
        runs: RunJournal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._archive = archive
        self._client = client
        self._spool = spool
        self._instances = instances
        self._studies = studies
        self._runs = runs
        self._clock = clock
        self._failures: dict[str, _Failures] = {}

    def step(self) -> int:
        """Fetch some of the studies that are due; how many were tried.

        A study that cannot be fetched is noted with the reason and tried again, after longer and longer waits, behind
        all others: one that the archive cannot give must not hold up the rest. While the archive is down
        ``PeerUnreachable`` is raised.
        """
        due = self._studies.to_fetch(self._archive, settled=_SETTLE_SECONDS)
        self._failures = {uid: self._failures[uid] for uid, _ in due if uid in self._failures}
        ready = [item for item in due if self._clock() >= self._failed(item[0]).next_at]
        turn = sorted(ready, key=lambda item: self._failed(item[0]).count)[:_STUDIES_PER_STEP]
        for study_uid, touched_at in turn:
            self._fetch(study_uid, touched_at)
        return len(turn)

    def _failed(self, study_uid: str) -> "_Failures":
        return self._failures.get(study_uid, _Failures(0, 0.0))

    def _fetch(self, study_uid: str, touched_at: float) -> None:
        try:
            count = self._fetch_study(study_uid)
        except Exception as error:
            failures = self._failed(study_uid).count + 1
            wait = min(_FIRST_WAIT * 2 ** min(failures - 1, 30), _LONGEST_WAIT)
            self._failures[study_uid] = _Failures(failures, self._clock() + wait)
            foreseen = isinstance(error, AinodeError | DiskNearlyFull)
            reason = str(error) if foreseen else f"internal error ({type(error).__name__}); see the log"
            self._studies.fetch_problem(self._archive, study_uid, reason)
            if isinstance(error, PeerUnreachable) or not foreseen:
                raise
            return
        self._studies.fetched(self._archive, study_uid, touched_at)
        if count:
            log.info("fetched", archive=self._archive, study=study_uid, instances=count)

    def _fetch_study(self, study_uid: str) -> int:
        series = [str(found.SeriesInstanceUID) for found in self._client.search_series(study_uid)]
        return sum(self._fetch_series(study_uid, uid) for uid in series)

    def _fetch_series(self, study_uid: str, series_uid: str) -> int:
        there = [str(found.SOPInstanceUID) for found in self._client.search_instances(study_uid, series_uid)]
        known = self._instances.held(there, study_uid=study_uid) | self._runs.made_here(there)
        missing = [uid for uid in there if uid not in known]
        if not missing:
            return 0
        self._spool.admit()
        given: set[str] = set()
        batch: list[StoredInstance] = []
        for part in self._parts(study_uid, series_uid, missing=missing, whole=len(missing) == len(there)):
            batch.append(self._keep(part))
            given.add(batch[-1].sop_instance_uid)
            if len(batch) >= _JOURNAL_BATCH:
                self._record(batch)
                batch = []
        self._record(batch)
        if lacking := set(missing) - given:
            raise PeerRefused(f"archive {self._archive} lists {len(lacking)} instances that it did not give")
        return len(missing)

    def _parts(self, study_uid: str, series_uid: str, *, missing: Sequence[str], whole: bool) -> Iterator[Part]:
        if whole:
            yield from self._client.retrieve_series(study_uid, series_uid)
            return
        for uid in missing:
            yield from self._client.retrieve_instance(study_uid, series_uid, sop_instance_uid=uid)

    def _keep(self, part: Part) -> StoredInstance:
        path = self._spool.incoming / f"{uuid4().hex}.part"
        try:
            with path.open("wb") as file:
                file.writelines(part)
            uid = sop_instance_uid(path)
            kept = self._spool.adopt(path)
        finally:
            path.unlink(missing_ok=True)
        FETCHED.labels(archive=self._archive).inc()
        return StoredInstance(
            sop_instance_uid=uid,
            sha256=kept.sha256,
            path=kept.path,
            bytes=kept.bytes,
            source=f"archive {self._archive}",
        )

    def _record(self, batch: list[StoredInstance]) -> None:
        self._instances.stored(batch)
