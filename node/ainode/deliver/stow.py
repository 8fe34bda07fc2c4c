"""An archive that takes results by STOW-RS and shows them by QIDO-RS."""

from collections import defaultdict

from ainode.deliver.destination import Result
from ainode_models.errors import PeerRefused, PeerUnreachable
from ainode_orthanc.dicomweb import DicomWebClient


class QidoConfirmation:
    """Asks an archive over QIDO-RS (PS3.18 10.6) whether it has the objects of a result."""

    def __init__(self, client: DicomWebClient) -> None:
        self._client = client

    def shows(self, result: Result) -> bool:
        """Whether a search finds every object."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for item in result.dicom:
            wanted[item.series_uid].add(item.sop_instance_uid)
        return all(uids <= self._shown(result.study_uid, series_uid) for series_uid, uids in wanted.items())

    def _shown(self, study_uid: str, series_uid: str) -> set[str]:
        return {str(match.get("SOPInstanceUID")) for match in self._client.search_instances(study_uid, series_uid)}


class StowDestination(QidoConfirmation):
    """STOW-RS (PS3.18 10.5), confirmed by QIDO-RS on the same archive."""

    def __init__(self, name: str, client: DicomWebClient) -> None:
        super().__init__(client)
        self._name = name

    def send(self, result: Result) -> None:
        """Store all objects in one request, and read what became of each."""
        answer = self._client.store([item.path for item in result.dicom])
        if answer.complete:
            return
        reasons = "; ".join(f"{item.sop_instance_uid}: {item.reason}" for item in answer.failed)
        if any(item.retriable for item in answer.failed):
            raise PeerUnreachable(f"{self._name} cannot store the objects now: {reasons}")
        raise PeerRefused(f"{self._name} refused to store: {reasons}")
