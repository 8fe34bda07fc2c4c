"""Brings the instances of changed studies from an archive into the spool."""

from collections.abc import Callable, Iterator, Sequence
from uuid import uuid4

import structlog

from ainode.fetch.metrics import FETCHED
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.journal.runs import RunJournal
from ainode.journal.studies import StudyJournal
from ainode.receive.spool import Spool
from ainode_models.errors import AinodeError, PeerUnreachable
from ainode_orthanc.dicomweb import DicomWebClient, sop_instance_uid
from ainode_orthanc.multipart import Part

log = structlog.get_logger()

_JOURNAL_BATCH = 50
"""Instances per journal transaction: a crash fetches at most so many again."""
_SETTLE_SECONDS = 1.0
"""Silence of the feed about a study before it is fetched: whole series in one answer, not instance by instance."""


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
        on_stored: Callable[[], None],
    ) -> None:
        self._archive = archive
        self._client = client
        self._spool = spool
        self._instances = instances
        self._studies = studies
        self._runs = runs
        self._on_stored = on_stored

    def step(self) -> int:
        """Fetch every study that is due once; how many were fetched.

        A study that cannot be fetched is noted with the reason and tried again later; while the archive
        is down ``PeerUnreachable`` is raised.
        """
        done = 0
        for study_uid, touched_at in self._studies.to_fetch(self._archive, settled=_SETTLE_SECONDS):
            try:
                count = self._fetch_study(study_uid)
            except AinodeError as error:
                self._studies.fetch_problem(self._archive, study_uid, str(error))
                if isinstance(error, PeerUnreachable):
                    raise
                continue
            self._studies.fetched(self._archive, study_uid, touched_at)
            if count:
                log.info("fetched", archive=self._archive, study=study_uid, instances=count)
            done += 1
        return done

    def _fetch_study(self, study_uid: str) -> int:
        series = [str(found.SeriesInstanceUID) for found in self._client.search_series(study_uid)]
        return sum(self._fetch_series(study_uid, uid) for uid in series)

    def _fetch_series(self, study_uid: str, series_uid: str) -> int:
        there = [str(found.SOPInstanceUID) for found in self._client.search_instances(study_uid, series_uid)]
        known = self._instances.held(there) | self._runs.made_here(there)
        missing = [uid for uid in there if uid not in known]
        if not missing:
            return 0
        batch: list[StoredInstance] = []
        for part in self._parts(study_uid, series_uid, missing=missing, whole=len(missing) == len(there)):
            batch.append(self._keep(part))
            if len(batch) >= _JOURNAL_BATCH:
                self._record(batch)
                batch = []
        self._record(batch)
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
        self._on_stored()
