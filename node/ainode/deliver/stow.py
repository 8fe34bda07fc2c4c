"""An archive that takes results by STOW-RS and shows them by QIDO-RS."""

from ainode.deliver.destination import DicomObject, Result
from ainode_models.errors import PeerRefused, PeerUnreachable
from ainode_orthanc.dicomweb import DicomWebClient


class QidoConfirmation:
    """Asks an archive over QIDO-RS (PS3.18 10.6) whether it has the objects of a result."""

    def __init__(self, client: DicomWebClient) -> None:
        self._client = client

    def shows(self, result: Result) -> bool:
        """Whether a search finds every object."""
        return all(self._found(result.study_uid, item) for item in result.dicom)

    def _found(self, study_uid: str, item: DicomObject) -> bool:
        matches = self._client.search_instances(study_uid, item.series_uid)
        return any(match.get("SOPInstanceUID") == item.sop_instance_uid for match in matches)


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
