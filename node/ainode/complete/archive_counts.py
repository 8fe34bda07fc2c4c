"""How many instances of a study an archive has."""

from collections.abc import Mapping

import structlog

from ainode_models.errors import PeerError
from ainode_orthanc.dicomweb import DicomWebClient

log = structlog.get_logger()


class ArchiveCounts:
    """Asks one archive by QIDO-RS (PS3.18 10.6.3.3.2)."""

    def __init__(self, name: str, client: DicomWebClient) -> None:
        self.name = name
        self._client = client

    def of_study(self, study_uid: str) -> Mapping[str, int]:
        """Instances of each series; empty when the archive does not know the study, count or answer."""
        query = {"includefield": "NumberOfSeriesRelatedInstances"}
        try:
            series = list(self._client.search_series(study_uid, query))
        except PeerError as error:
            log.warning("archive cannot count", archive=self.name, study=study_uid, reason=str(error))
            return {}
        return {
            str(found.SeriesInstanceUID): int(found.NumberOfSeriesRelatedInstances)
            for found in series
            if found.get("NumberOfSeriesRelatedInstances") is not None
        }
