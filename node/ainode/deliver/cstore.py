"""A PACS that takes results by C-STORE and shows them by C-FIND."""

from pathlib import Path
from typing import Protocol

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # the names are made at import
    StudyRootQueryRetrieveInformationModelFind,
)

from ainode.deliver.association import Peer, association
from ainode.deliver.destination import DicomObject, Result
from ainode_models.errors import InstanceError, PeerRefused, PeerUnreachable

PENDING = (0xFF00, 0xFF01)
"""A match follows: PS3.4 Table C.4-1."""
WARNINGS = (0xB000, 0xB006, 0xB007)
"""Stored, with a remark: PS3.4 Table B.2-1."""
OUT_OF_RESOURCES = range(0xA700, 0xA800)
"""The PACS may have room later: PS3.4 Tables B.2-1 and C.4-1."""


class Confirmation(Protocol):
    """A way to ask a PACS what it has."""

    def shows(self, result: Result) -> bool:
        """Whether it has every object of the result."""


class FindConfirmation:
    """Asks by C-FIND, Study Root, IMAGE level (PS3.4 annex C)."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def shows(self, result: Result) -> bool:
        """Whether a query finds every object."""
        with association(self._peer, [StudyRootQueryRetrieveInformationModelFind]) as assoc:
            return all(self._found(assoc, result.study_uid, item) for item in result.dicom)

    def _found(self, assoc: Association, study_uid: str, item: DicomObject) -> bool:
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID = study_uid
        query.SeriesInstanceUID = item.series_uid
        query.SOPInstanceUID = item.sop_instance_uid
        found = False
        for answer, _ in assoc.send_c_find(query, StudyRootQueryRetrieveInformationModelFind):
            status = _status(self._peer.name, "C-FIND", answer)
            found = found or status in PENDING
            if status in OUT_OF_RESOURCES:
                raise PeerUnreachable(f"{self._peer.name} is out of resources (0x{status:04X})")
            if status != 0 and status not in PENDING:
                raise PeerRefused(f"{self._peer.name} answered C-FIND with 0x{status:04X}")
        return found


class CStoreDestination:
    """Storage SCU (PS3.4 annex B), with a way to confirm."""

    def __init__(self, peer: Peer, confirmation: Confirmation) -> None:
        self._peer = peer
        self.shows = confirmation.shows

    def send(self, result: Result) -> None:
        """Store every object on one association."""
        with association(self._peer, sorted({item.sop_class_uid for item in result.dicom})) as assoc:
            for item in result.dicom:
                self._check(assoc.send_c_store(_as_accepted(_read(item.path), assoc)))

    def _check(self, answer: Dataset) -> None:
        status = _status(self._peer.name, "C-STORE", answer)
        if status in OUT_OF_RESOURCES:
            raise PeerUnreachable(f"{self._peer.name} is out of resources (0x{status:04X})")
        if status != 0 and status not in WARNINGS:
            comment = answer.get("ErrorComment", "without a comment")
            raise PeerRefused(f"{self._peer.name} answered C-STORE with 0x{status:04X} {comment}")


def _read(path: Path) -> Dataset:
    try:
        return dcmread(path)
    except (InvalidDicomError, OSError) as exc:
        raise InstanceError(
            f"the result file {path} cannot be read ({type(exc).__name__}); restore it, then replay the delivery"
        ) from exc


def _as_accepted(ds: Dataset, assoc: Association) -> Dataset:
    """``ds`` itself, or decompressed where the peer takes its SOP class only so: no pixel changes, so no UID does."""
    syntaxes = {
        str(syntax)
        for context in assoc.accepted_contexts
        if context.abstract_syntax == ds.SOPClassUID
        for syntax in context.transfer_syntax
    }
    if ds.file_meta.TransferSyntaxUID.is_compressed and ds.file_meta.TransferSyntaxUID not in syntaxes:
        ds.decompress(generate_instance_uid=False)
    return ds


def _status(name: str, what: str, answer: Dataset) -> int:
    """Status of an answer; pynetdicom gives an empty data set when the association ended without one."""
    if "Status" not in answer:
        raise PeerUnreachable(f"{name} ended the association without an answer to {what}")
    return int(answer.Status)
