"""Storage commitment with real peers: Orthanc, which wants reports on a new association, and pynetdicom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, generate_uid
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # the names are made at import

from ainode.commitment.statuses import ActionStatus, FailureReason
from ainode.journal.commitments import CommitmentJournal, CommitmentRequest, CommitmentRow, Reference
from ainode.peers import commitment_peer
from ainode.receive.registrar import Registrar
from ainode.settings import load_settings
from ainode_models.errors import PeerUnreachable
from peers import dcmtk
from peers.commitment import CommitmentNode, CommitmentUser, commitment_node, question
from peers.orthanc import OrthancServer, free_port
from peers.receiver import LOOPBACK, association, receiver, uid_of
from peers.tiny_series import write_series

# pynetdicom leaves the sockets of refused connections to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CALLERS = """
[dicom]
ae_title = "NODE"
[[dicom.caller]]
ae_title = "US1"
address = "10.1.2.3"
[[dicom.caller]]
ae_title = "CT1"
address = "10.1.0.0/16"
port = 11113
[[dicom.caller]]
ae_title = "MR1"
address = "10.1.2.3"
port = 11114
host = "mr1.example"
[[dicom.caller]]
ae_title = "*"
address = "10.9.0.0/16"
port = 104
"""
UNKNOWN = Reference(CTImageStorage, "1.2.3.4")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CommitmentNode]:
    with commitment_node(tmp_path) as running:
        yield running


def sent(node: CommitmentNode, folder: Path, images: int = 2) -> list[Reference]:
    """Store a series with dcmtk; what it is called."""
    paths = write_series(folder / "series", images=images)
    dcmtk.storescu(paths, LOOPBACK, node.port, calling="SCU")
    return [Reference(CTImageStorage, uid_of(path)) for path in paths]


def reports_of(orthanc: OrthancServer, transaction: str) -> dict[str, Any]:
    return dict(orthanc.rest("GET", f"/storage-commitment/{transaction}"))


def test_orthanc_learns_that_what_it_sent_is_safe_and_what_it_did_not_send_is_not(tmp_path: Path) -> None:
    port = free_port()
    orthanc = OrthancServer(tmp_path / "orthanc", modalities={"node": ("AINODE", port)})
    with commitment_node(tmp_path, calling="ORTHANC", port=port, reply_port=orthanc.dicom_port) as node, orthanc:
        held = [orthanc.upload(path) for path in write_series(tmp_path / "held", images=3)]
        kept_back = orthanc.upload(write_series(tmp_path / "kept-back", images=1, seed="2")[0])
        orthanc.rest("POST", "/modalities/node/store", json=held)
        body = {"Resources": [*held, kept_back]}
        transaction = orthanc.rest("POST", "/modalities/node/storage-commitment", json=body)["ID"]
        (row,) = node.wait_for("reported")
        report = reports_of(orthanc, transaction)
    assert row.transaction_uid == transaction
    assert (report["Status"], len(report["Success"])) == ("Failure", 3)
    (failure,) = report["Failures"]
    assert failure["FailureReason"] == FailureReason.NO_SUCH_OBJECT_INSTANCE.code
    assert failure["SOPInstanceUID"] == uid_of(tmp_path / "kept-back" / "0001.dcm")


def test_a_peer_that_waits_is_told_on_the_association_on_which_it_asked(node: CommitmentNode, tmp_path: Path) -> None:
    held = sent(node, tmp_path)
    scu = CommitmentUser(node)
    with scu.association() as assoc:
        for number in (1, 2):
            assert scu.ask(assoc, question(f"1.2.{number}", *held)) == 0
            heard = scu.wait(number)[-1]
            assert (heard.event_type, heard.committed, heard.failed) == (1, held, [])
            assert heard.information.TransactionUID == f"1.2.{number}"
            assert not heard.by_acceptor
    assert [row.attempts for row in node.wait_for("reported", "reported")] == [1, 1]


def test_a_peer_that_has_left_and_is_down_is_told_on_a_new_association_once_it_is_back(
    node: CommitmentNode, tmp_path: Path
) -> None:
    (held,) = sent(node, tmp_path, images=1)
    scu = CommitmentUser(node)
    with scu.association() as assoc:
        assert scu.ask(assoc, question("1.2.3", held, UNKNOWN)) == 0
    while node.commitments.all()[0].attempts < 2:
        assert scu.heard == []
    with scu.listening():
        (heard,) = scu.wait()
        (row,) = node.wait_for("reported")
    assert heard.by_acceptor
    assert (heard.event_type, heard.committed) == (2, [held])
    assert heard.failed == [(UNKNOWN, 0x0112)]
    assert row.attempts >= 3


def test_another_question_on_the_association_comes_before_the_report_which_then_has_one_of_its_own(
    node: CommitmentNode, tmp_path: Path
) -> None:
    held = sent(node, tmp_path)
    scu = CommitmentUser(node)
    with scu.listening():
        with scu.association() as assoc:
            assert [scu.ask(assoc, question(f"1.2.{number}", *held)) for number in (1, 2)] == [0, 0]
            node.wait_for("reported", "reported")
        told = {heard.information.TransactionUID: heard.by_acceptor for heard in scu.wait(2)}
    assert told == {"1.2.1": True, "1.2.2": False}


def test_a_peer_that_goes_on_sending_images_is_not_disturbed_by_the_report(
    node: CommitmentNode, tmp_path: Path
) -> None:
    first, *more = write_series(tmp_path / "series", images=20)
    held = Reference(CTImageStorage, uid_of(first))
    scu = CommitmentUser(node)
    with scu.listening(), scu.association() as assoc:
        assert assoc.send_c_store(first).Status == 0
        assert scu.ask(assoc, question("1.2", held)) == 0
        assert [assoc.send_c_store(path).Status for path in more] == [0] * 19
        (heard,) = scu.wait()
    assert (heard.by_acceptor, heard.committed) == (True, [held])


def test_a_report_that_the_peer_refuses_is_set_aside_and_one_that_it_cannot_take_now_is_not(
    node: CommitmentNode,
) -> None:
    for status, state in ((0x0112, "dead"), (0x0213, "pending")):
        scu = CommitmentUser(node, status=status)
        transaction = f"1.2.{status}"
        with scu.listening():
            with scu.association() as assoc:
                assert scu.ask(assoc, question(transaction, UNKNOWN)) == 0
            scu.wait()
            while not (row := _row(node, transaction)).attempts:
                pass
        assert (row.state, f"0x{status:04X}" in (row.reason or "")) == (state, True)


def _row(node: CommitmentNode, transaction: str) -> CommitmentRow:
    (row,) = [row for row in node.commitments.all() if row.transaction_uid == transaction]
    return row


def without(information: Dataset, keyword: str) -> Dataset:
    del information[keyword]
    return information


@pytest.mark.parametrize(
    ("information", "action", "instance", "status"),
    [
        (question("1.2", UNKNOWN), 2, "", ActionStatus.NO_SUCH_ACTION),
        (question("1.2", UNKNOWN), 1, "1.2.3", ActionStatus.NO_SUCH_SOP_INSTANCE),
        (question("1.2"), 1, "", ActionStatus.INVALID_ARGUMENT_VALUE),
        (question("1.02", UNKNOWN), 1, "", ActionStatus.INVALID_ARGUMENT_VALUE),
        (question("1.2", Reference(CTImageStorage, "../../etc")), 1, "", ActionStatus.INVALID_ARGUMENT_VALUE),
        (without(question("1.2", UNKNOWN), "TransactionUID"), 1, "", ActionStatus.INVALID_ARGUMENT_VALUE),
    ],
)
def test_what_cannot_be_asked_is_refused_and_leaves_nothing_behind(
    node: CommitmentNode, information: Dataset, action: int, instance: str, status: ActionStatus
) -> None:
    scu = CommitmentUser(node)
    with scu.association() as assoc:
        assert scu.ask(assoc, information, action=action, instance=instance) == status.code
        assert scu.ask(assoc, question("1.2.9", UNKNOWN)) == 0, "the association goes on"
    assert [row.transaction_uid for row in node.commitments.all()] == ["1.2.9"]


class _BrokenJournal(CommitmentJournal):
    def asked(self, request: CommitmentRequest, *, wait: float) -> CommitmentRow:
        raise sa.exc.OperationalError("insert", {}, Exception("disk is full"))


def test_a_request_that_the_journal_cannot_take_is_not_answered_with_success(tmp_path: Path) -> None:
    with commitment_node(tmp_path, journal=_BrokenJournal) as node:
        scu = CommitmentUser(node)
        with scu.association() as assoc:
            assert scu.ask(assoc, question("1.2", UNKNOWN)) == ActionStatus.RESOURCE_LIMITATION.code


def asked(node: CommitmentNode, *references: Reference, transaction: str = "", calling: str = "SCU") -> CommitmentRow:
    request = CommitmentRequest(transaction or generate_uid(), calling, LOOPBACK, references)
    return node.commitments.asked(request, wait=1000)


@pytest.mark.parametrize("indexed", [False, True])
def test_only_what_is_whole_on_the_disk_and_of_the_class_asked_about_is_committed(
    node: CommitmentNode, tmp_path: Path, indexed: bool
) -> None:
    held, gone, cut, refused = sent(node, tmp_path, images=4)
    Registrar(node.spool, node.instances).register()
    paths = {row.sop_instance_uid: node.spool.path_of(row.path) for row in node.instances.to_index()}
    spoilt = paths[refused.sop_instance_uid]
    spoilt.write_bytes(bytes(spoilt.stat().st_size))
    if indexed:
        assert node.indexer.step() == 4
    paths[gone.sop_instance_uid].unlink()
    paths[cut.sop_instance_uid].write_bytes(paths[cut.sop_instance_uid].read_bytes()[:-1])
    other_class = Reference(MRImageStorage, held.sop_instance_uid)
    verdict = node.judge.verdict(asked(node, held, gone, cut, refused, UNKNOWN, other_class))
    assert verdict.committed == (held,)
    missing = FailureReason.NO_SUCH_OBJECT_INSTANCE
    expected = [(item, missing) for item in (gone, cut, refused, UNKNOWN)]
    assert verdict.failed == (*expected, (other_class, FailureReason.CLASS_INSTANCE_CONFLICT))


def test_a_spool_that_is_not_there_gives_no_verdict(node: CommitmentNode, tmp_path: Path) -> None:
    held = sent(node, tmp_path)
    node.spool.folder.rename(tmp_path / "unmounted")
    with pytest.raises(OSError, match="No such file"):
        node.judge.verdict(asked(node, *held))


def test_a_transaction_uid_counts_for_one_question_of_one_peer(node: CommitmentNode, tmp_path: Path) -> None:
    first, second = sent(node, tmp_path)
    row = asked(node, first, second, transaction="1.2")
    again = asked(node, second, first, transaction="1.2")
    assert again.id == row.id, "the answer was lost, and the peer asks again"
    assert node.judge.verdict(again).failed == ()
    duplicate = FailureReason.DUPLICATE_TRANSACTION_UID
    assert node.judge.verdict(asked(node, first, transaction="1.2")).failed == ((first, duplicate),)
    assert node.judge.verdict(asked(node, first, second, transaction="1.2", calling="OTHER")).committed == ()


def test_thousands_of_instances_are_judged_together(node: CommitmentNode, tmp_path: Path) -> None:
    held = sent(node, tmp_path)
    unknown = [Reference(CTImageStorage, f"1.2.3.{number}") for number in range(3000)]
    scu = CommitmentUser(node)
    with scu.association() as assoc:
        assert scu.ask(assoc, question("1.2", *unknown, *held)) == 0
        (heard,) = scu.wait()
    assert heard.committed == held
    assert [item for item, _ in heard.failed] == unknown


def test_the_listener_offers_no_commitment_unless_it_is_given_one(tmp_path: Path) -> None:
    wanted = {"1.2.840.10008.1.20.1": ["1.2.840.10008.1.2"], Verification: ["1.2.840.10008.1.2"]}
    with receiver(tmp_path) as plain, association(plain, wanted) as assoc:
        assert [context.abstract_syntax for context in assoc.accepted_contexts] == [Verification]


@pytest.mark.parametrize(
    ("calling", "address", "where"),
    [
        ("CT1", "10.1.2.3", ("10.1.2.3", 11113)),
        ("MR1", "10.1.2.3", ("mr1.example", 11114)),
        ("US1", "10.1.2.3", None),
        ("CT1", "10.9.9.9", ("10.9.9.9", 104)),
    ],
)
def test_a_report_goes_where_the_settings_have_the_caller(
    tmp_path: Path, calling: str, address: str, where: tuple[str, int] | None
) -> None:
    file = tmp_path / "ainode.toml"
    file.write_text(CALLERS)
    request = CommitmentRequest("1.2", calling, address, ())
    with commitment_node(tmp_path) as node:
        row = node.commitments.asked(request, wait=1000)
    if where is None:
        with pytest.raises(PeerUnreachable, match=r"no \[\[dicom.caller\]\] says where"):
            commitment_peer(row, load_settings(file, {}))
    else:
        peer = commitment_peer(row, load_settings(file, {}))
        assert (peer.ae_title, peer.calling_ae_title, (peer.host, peer.port)) == (calling, "NODE", where)
