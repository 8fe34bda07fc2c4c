"""A listener of ours on a free port, with a spool and a journal in a folder, and ways to speak DIMSE to it."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import split_dataset
from pynetdicom.pdu_primitives import P_DATA

from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, InstanceRow
from ainode.receive.listener import Listener
from ainode.receive.options import Caller, ListenerOptions
from ainode.receive.registrar import Registrar
from ainode.receive.spool import Spool

LOOPBACK = "127.0.0.1"
_FRAGMENT = 16_000
OPTIONS = ListenerOptions(ae_title="AINODE", host=LOOPBACK, port=0, callers=(Caller("SCU", LOOPBACK),))


@dataclass(frozen=True)
class Receiver:
    """A running listener and what lies behind it."""

    listener: Listener
    spool: Spool
    journal: InstanceJournal
    database: Path

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return self.listener.port

    def rows(self) -> list[InstanceRow]:
        """What waits to be indexed."""
        Registrar(self.spool, self.journal).register()
        return self.journal.to_index(10_000)

    def committed(self) -> list[tuple[str, str]]:
        """SOP Instance UID and path of every row, as another process sees them."""
        Registrar(self.spool, self.journal).register()
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            rows = connection.execute("select sop_instance_uid, path from instances order by id").fetchall()
        connection.close()
        return rows

    def files(self) -> list[Path]:
        """Every file of the spool, half-written ones too."""
        return sorted(path for path in self.spool.folder.rglob("*") if path.is_file())

    def wait_until_idle(self, *, but: int = 0) -> None:
        """Return when no association is open any more, or only ``but``."""
        deadline = time.monotonic() + 60
        while sum(isinstance(thread, Association) for thread in threading.enumerate()) > but:
            assert time.monotonic() < deadline, "an association does not end"
            time.sleep(0.01)


@contextmanager
def receiver(
    folder: Path,
    *,
    options: ListenerOptions = OPTIONS,
    spool: Callable[[Path], Spool] = Spool,
    journal: type[InstanceJournal] = InstanceJournal,
) -> Iterator[Receiver]:
    """A listener that is stopped at the end; parts of it may be put in place of the real ones."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "journal.db"
    engine = open_database(f"sqlite:///{database}")
    rows = journal(engine, time.time)
    store = spool(folder / "spool")
    listener = Listener(options, store)
    listener.start()
    try:
        yield Receiver(listener, store, rows, database)
    finally:
        listener.stop()
        engine.dispose()


@contextmanager
def association(
    to: Receiver,
    proposals: Mapping[str, Sequence[str]] | None = None,
    *,
    title: str = "SCU",
    source: str = LOOPBACK,
) -> Iterator[Association]:
    """An association of pynetdicom's, established or not; ``proposals`` are transfer syntaxes by SOP class."""
    entity = AE(ae_title=title)
    for sop_class, syntaxes in (proposals or {CTImageStorage: [ExplicitVRLittleEndian]}).items():
        entity.add_requested_context(sop_class, list(syntaxes))
    assoc = entity.associate(LOOPBACK, to.port, bind_address=(source, 0))
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()


def store(assoc: Association, data_set: bytes, *, sop_instance_uid: str, sop_class_uid: str = "") -> int:
    """C-STORE the very bytes of ``data_set`` in the first accepted context; the status of the answer."""
    _pause(assoc)
    context_id = _send_command(assoc, sop_instance_uid, sop_class_uid)
    for start in range(0, len(data_set), _FRAGMENT):
        assoc.dul.send_pdu(_fragment(context_id, data_set[start : start + _FRAGMENT], last=False))
    assoc.dul.send_pdu(_fragment(context_id, b"", last=True))
    _, answer = assoc.dimse.get_msg(block=True)
    assoc._reactor_checkpoint.set()
    assert isinstance(answer, C_STORE), "no answer"
    assert answer.Status is not None
    return int(answer.Status)


def vanish_within(assoc: Association, beginning: bytes, *, sop_instance_uid: str) -> None:
    """Begin a C-STORE, then drop the connection without a word."""
    _pause(assoc)
    context_id = _send_command(assoc, sop_instance_uid, "")
    assoc.dul.send_pdu(_fragment(context_id, beginning, last=False))
    while not assoc.dul.to_provider_queue.empty():
        time.sleep(0.001)
    assert assoc.dul.socket is not None
    assoc.dul.socket.close()
    assoc._reactor_checkpoint.set()


def _pause(assoc: Association) -> None:
    """Keep the association's own thread from taking the answer, as its ``send_c_store`` does."""
    assoc._reactor_checkpoint.clear()
    while not assoc._is_paused:
        time.sleep(0.001)


def _send_command(assoc: Association, sop_instance_uid: str, sop_class_uid: str) -> int:
    """Send the command set of a C-STORE request that announces a data set; the context's number."""
    context = assoc.accepted_contexts[0]
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = sop_class_uid or str(context.abstract_syntax)
    request.AffectedSOPInstanceUID = sop_instance_uid
    request.Priority = 2
    request.DataSet = BytesIO()
    assert context.context_id is not None
    assoc.dimse.send_msg(request, context.context_id)
    return context.context_id


def _fragment(context_id: int, data: bytes, *, last: bool) -> P_DATA:
    """One fragment of a data set (PS3.8 E.2)."""
    fragment = P_DATA()
    fragment.presentation_data_value_list = [[context_id, (b"\x02" if last else b"\0") + data]]  # type: ignore[list-item]
    return fragment


def data_set_of(path: Path) -> bytes:
    """The encoded data set of a DICOM file, without its head."""
    _, start = split_dataset(path)
    return path.read_bytes()[start:]


def uid_of(path: Path) -> str:
    """SOP Instance UID of a DICOM file."""
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
