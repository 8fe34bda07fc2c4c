"""A listener of ours that answers storage commitment, and a peer of pynetdicom's that takes the reports."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # the names are made at import
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from ainode.commitment.provider import CommitmentProvider
from ainode.commitment.report import Reporter
from ainode.commitment.verdict import Judge
from ainode.deliver.association import Peer
from ainode.deliver.outbox import RetryPolicy
from ainode.journal.commitments import CommitmentJournal, CommitmentRow, Reference
from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal
from ainode.loop import Loop
from ainode.receive.indexer import Indexer
from ainode.receive.listener import Listener
from ainode.receive.options import Caller
from ainode.receive.registrar import Registrar
from ainode.receive.spool import Spool
from peers.orthanc import free_port
from peers.receiver import LOOPBACK, OPTIONS

T = TypeVar("T")

CALLING = "SCU"
POLICY = RetryPolicy(first=0.2, longest=1, give_up_after=100)


@dataclass(frozen=True)
class CommitmentNode:
    """A running listener with its journals; reports to other associations go to ``reply_port``."""

    listener: Listener
    spool: Spool
    instances: InstanceJournal
    commitments: CommitmentJournal
    judge: Judge
    indexer: Indexer
    reply_port: int

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return self.listener.port

    def wait_for(self, *states: str) -> list[CommitmentRow]:
        """The requests, once they are in ``states``, one for each."""
        return wait_for(lambda: [row for row in self.commitments.all() if row.state in states], len(states))


@contextmanager
def commitment_node(
    folder: Path,
    *,
    calling: str = CALLING,
    port: int = 0,
    reply_port: int = 0,
    journal: type[CommitmentJournal] = CommitmentJournal,
) -> Iterator[CommitmentNode]:
    """A node that stops at the end. Nothing is indexed unless the test does."""
    engine = open_database(f"sqlite:///{folder / 'journal.db'}")
    instances, commitments = InstanceJournal(engine, time.time), journal(engine, time.time)
    spool = Spool(folder / "spool")
    judge = Judge(commitments, spool, Registrar(spool, instances))
    reply_port = reply_port or free_port()

    def peer(row: CommitmentRow) -> Peer:
        return Peer(row.calling, row.calling, row.address, reply_port, "AINODE", 10)

    reporter = Reporter(commitments, judge, peer=peer, policy=POLICY, clock=time.time)
    loop = Loop("storage commitment", reporter.step, interval=0.02)
    provider = CommitmentProvider(commitments, judge, on_waiting=loop.wake)
    options = replace(OPTIONS, port=port, callers=(Caller(calling, LOOPBACK),))
    listener = Listener(options, spool, commitment=provider)
    listener.start()
    loop.start()
    try:
        yield CommitmentNode(listener, spool, instances, commitments, judge, Indexer(instances, spool), reply_port)
    finally:
        listener.stop()
        loop.stop()
        engine.dispose()
        gc.collect()  # pynetdicom leaves the sockets of refused connections to the collector


@dataclass(frozen=True)
class Heard:
    """One N-EVENT-REPORT."""

    event_type: int
    information: Dataset
    by_acceptor: bool
    """Whether it came on an association that the node had opened."""

    @property
    def committed(self) -> list[Reference]:
        """Referenced SOP Sequence."""
        return [_reference(item) for item in self.information.get("ReferencedSOPSequence", ())]

    @property
    def failed(self) -> list[tuple[Reference, int]]:
        """Failed SOP Sequence, with the reasons."""
        items = self.information.get("FailedSOPSequence", ())
        return [(_reference(item), item.FailureReason) for item in items]


class CommitmentUser:
    """Asks, on an association that it keeps or releases, and writes down what it is told."""

    def __init__(self, node: CommitmentNode, *, status: int = 0) -> None:
        self._node = node
        self._status = status
        self._entity = AE(CALLING)
        self._entity.add_requested_context(StorageCommitmentPushModel)
        self._entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        self._entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
        self.heard: list[Heard] = []

    @contextmanager
    def association(self) -> Iterator[Association]:
        """An association with the node, released at the end."""
        handlers: list[EventHandlerType] = [(evt.EVT_N_EVENT_REPORT, self._on_report)]
        assoc = self._entity.associate(LOOPBACK, self._node.port, evt_handlers=handlers)
        assert assoc.is_established
        try:
            yield assoc
        finally:
            assoc.release()

    def ask(self, assoc: Association, information: Dataset, *, action: int = 1, instance: str = "") -> int:
        """N-ACTION; the status of the answer."""
        well_known = instance or StorageCommitmentPushModelInstance
        answer, _ = assoc.send_n_action(information, action, StorageCommitmentPushModel, well_known)
        return int(answer.Status)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take reports on associations that the node opens."""
        handlers: list[EventHandlerType] = [(evt.EVT_N_EVENT_REPORT, self._on_report)]
        server = self._entity.start_server((LOOPBACK, self._node.reply_port), block=False, evt_handlers=handlers)
        assert server
        try:
            yield
        finally:
            server.shutdown()

    def wait(self, count: int = 1) -> list[Heard]:
        """What was heard, once that is ``count`` reports."""
        return wait_for(lambda: list(self.heard), count)

    def _on_report(self, event: Event) -> tuple[int, None]:
        self.heard.append(Heard(event.event_type or 0, event.event_information, event.assoc.is_acceptor))
        return self._status, None


def wait_for(see: Callable[[], list[T]], count: int) -> list[T]:
    """What ``see`` gives once it has ``count`` items."""
    deadline = time.monotonic() + 60
    while len(found := see()) < count:
        assert time.monotonic() < deadline, f"{found} after 60 s"
        time.sleep(0.02)
    assert len(found) == count
    return found


def question(transaction_uid: str, *references: Reference) -> Dataset:
    """Action Information."""
    ds = Dataset()
    with disable_value_validation():  # tests ask what is no question, too
        ds.TransactionUID = transaction_uid
        ds.ReferencedSOPSequence = [Dataset() for _ in references]
        for item, reference in zip(ds.ReferencedSOPSequence, references, strict=True):
            item.ReferencedSOPClassUID = reference.sop_class_uid
            item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return ds


def _reference(item: Dataset) -> Reference:
    return Reference(item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID)
