"""A PACS that takes results by C-STORE and shows them by C-FIND."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # the names are made at import
    StudyRootQueryRetrieveInformationModelFind,
)

from ainode.deliver.destination import DicomObject, Result
from ainode_models.errors import PeerRefused, PeerUnreachable

_PENDING = (0xFF00, 0xFF01)  # PS3.4 Table C.4-1
_WARNINGS = (0xB000, 0xB006, 0xB007)  # stored, with a remark: PS3.4 Table B.2-1
_OUT_OF_RESOURCES = 0xA700  # PS3.4 Table B.2-1: the PACS may have room later


@dataclass(frozen=True)
class CStorePeer:
    """Address of a PACS."""

    name: str
    """Name of the destination in the settings."""
    ae_title: str
    host: str
    port: int
    calling_ae_title: str
    confirm: bool
    """Ask by C-FIND at IMAGE level; without it, a Success status counts as shown."""


class CStoreDestination:
    """Storage SCU and Query SCU (PS3.4 annexes B and C)."""

    def __init__(self, peer: CStorePeer) -> None:
        self._peer = peer
        self._accepted: set[str] = set()

    def shows(self, result: Result) -> bool:
        """Whether C-FIND finds every object."""
        if not self._peer.confirm:
            return all(item.sop_instance_uid in self._accepted for item in result.dicom)
        with self._association([StudyRootQueryRetrieveInformationModelFind]) as assoc:
            return all(self._found(assoc, result.study_uid, item) for item in result.dicom)

    def send(self, result: Result) -> None:
        """C-STORE every object on one association."""
        with self._association(sorted({item.sop_class_uid for item in result.dicom})) as assoc:
            for item in result.dicom:
                self._check(assoc.send_c_store(dcmread(item.path)))
                self._accepted.add(item.sop_instance_uid)

    def _found(self, assoc: Association, study_uid: str, item: DicomObject) -> bool:
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID = study_uid
        query.SeriesInstanceUID = item.series_uid
        query.SOPInstanceUID = item.sop_instance_uid
        answers = assoc.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
        return any(status and status.Status in _PENDING for status, _ in list(answers))

    def _check(self, answer: Dataset) -> None:
        status = answer.get("Status")
        if status is None or status == _OUT_OF_RESOURCES:
            raise PeerUnreachable(f"{self._peer.name} did not take the object now (status {_hex(status)})")
        if status != 0 and status not in _WARNINGS:
            comment = answer.get("ErrorComment", "no comment")
            raise PeerRefused(f"{self._peer.name} answered C-STORE with {_hex(status)}: {comment}")

    @contextmanager
    def _association(self, sop_classes: Sequence[str]) -> Iterator[Association]:
        peer = self._peer
        ae = AE(ae_title=peer.calling_ae_title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
        for uid in sop_classes:
            ae.add_requested_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        assoc = ae.associate(peer.host, peer.port, ae_title=peer.ae_title)
        if not assoc.is_established:
            where = f"{peer.ae_title}@{peer.host}:{peer.port}"
            raise PeerUnreachable(f"{peer.name}: no association with {where}; is it running, does it know us?")
        try:
            refused = [context.abstract_syntax for context in assoc.rejected_contexts]
            if refused:
                raise PeerRefused(f"{peer.name} does not accept {', '.join(map(str, refused))}")
            yield assoc
        finally:
            assoc.release()


def _hex(status: int | None) -> str:
    return "none" if status is None else f"0x{status:04X}"
