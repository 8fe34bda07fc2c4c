"""How many instances of a study an archive has."""

import math
import time
from collections.abc import Callable, Mapping

import structlog

from ainode_models.errors import PeerError
from ainode_orthanc.dicomweb import DicomWebClient

log = structlog.get_logger()

_PAUSE, _LONGEST_PAUSE = 10.0, 60.0
"""Time that an archive is left alone, as a multiple of that which it gave no answer for, and at most, seconds."""


class ArchiveCounts:
    """Asks one archive by QIDO-RS (PS3.18 10.6.3.3.2)."""

    def __init__(self, name: str, client: DicomWebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._client = client
        self._clock = clock
        self._not_before = -math.inf

    def of_study(self, study_uid: str) -> Mapping[str, int]:
        """Instances of each series; empty when the archive does not know the study, count or answer.

        After a question without an answer it is left alone for some time, the longer the longer that took: one that
        hangs would else hold up every study by its time-out.
        """
        asked = self._clock()
        if asked < self._not_before:
            return {}
        query = {"includefield": "NumberOfSeriesRelatedInstances"}
        try:
            series = list(self._client.search_series(study_uid, query))
        except PeerError as error:
            now = self._clock()
            self._not_before = now + min(_LONGEST_PAUSE, _PAUSE * (now - asked))
            log.warning("archive cannot count", archive=self.name, study=study_uid, reason=str(error))
            return {}
        return {
            str(found.SeriesInstanceUID): int(found.NumberOfSeriesRelatedInstances)
            for found in series
            if found.get("NumberOfSeriesRelatedInstances") is not None
        }
