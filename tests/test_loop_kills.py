"""The node is killed with SIGKILL in the middle of each stage, started again, and completes the study by itself."""

import threading
from pathlib import Path

from hl7.client import MLLPClient
from pydicom import dcmread
from pynetdicom import AE

from peers.dcmtk import storescu
from peers.head_study import write_head
from peers.node import NodeServer
from peers.order_node import MESSAGE, answered, code
from peers.orthanc import OrthancServer, free_port
from peers.slow_archive import SlowArchive
from test_loop_ways_in import results_in


def send_until_cut_off(files: list[Path], node: NodeServer, *, kill_after: int) -> list[str]:
    """C-STORE the files one by one, killing the node after some; SOP Instance UIDs answered with 0x0000."""
    acknowledged: list[str] = []
    ae = AE(ae_title="SENDER")
    first = dcmread(files[0])
    ae.add_requested_context(first.SOPClassUID, first.file_meta.TransferSyntaxUID)
    assoc = ae.associate("127.0.0.1", node.dicom_port, ae_title="AINODE")
    assert assoc.is_established
    for number, path in enumerate(files):
        if number == kill_after:
            threading.Thread(target=node.kill).start()
        ds = dcmread(path)
        try:
            status = assoc.send_c_store(ds).get("Status")
        except RuntimeError:  # pynetdicom's word for an association that is gone
            break
        if status == 0x0000:
            acknowledged.append(ds.SOPInstanceUID)
    wire = assoc.dul.socket and assoc.dul.socket.socket
    assoc.release()
    if wire:  # pynetdicom leaves its own end open when the peer is dead
        wire.close()
    return acknowledged


def test_killed_while_receiving_no_acknowledged_instance_is_lost(tmp_path: Path, quick_models: Path) -> None:
    """`receive_faults` does it at many moments, without a model behind it."""
    _, files = write_head(tmp_path / "study")
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, models=quick_models, quiet=3.0) as node,
    ):
        acknowledged = send_until_cut_off(files, node, kill_after=10)
        assert 10 <= len(acknowledged) < len(files)
        node.start()
        node.wait(
            lambda: node.look(lambda book: book.instances.held(acknowledged)) == set(acknowledged),
            "all that was acknowledged in the journal",
        )
        storescu(files[len(acknowledged) :], "127.0.0.1", node.dicom_port, called="AINODE")
        run = node.wait_for_run("finished", "failed")
        assert run.outcome == "findings", run.reason
        assert set(acknowledged) <= set(run.spec.inputs["T1"])
        node.wait_for_delivery(run.run_id)
        assert [len(uids) for uids in results_in(orthanc, run.study_uid).values()] == [1, 1]


def test_killed_while_the_model_runs_its_process_ends_and_the_run_is_finished_with_the_order_from_before(
    tmp_path: Path, quick_models: Path
) -> None:
    study_uid, files = write_head(tmp_path / "study")
    port = free_port()
    orders = f"[orders]\nport = {port}\n"
    message = MESSAGE.replace("1.2.826.0.1.77", study_uid).replace("P-4711", str(dcmread(files[0]).PatientID))
    message = message.replace("ACC-9", "")
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, models=quick_models, more=orders) as node,
    ):
        with MLLPClient("127.0.0.1", port) as ris:
            assert code(answered(ris.send_message(message))) == ("AA", "M1")
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        node.wait(lambda: '"model process started"' in node.log.read_text(), "the model to be called")
        (model,) = model_processes(node)
        node.kill()
        assert node.look(lambda book: book.runs.all()[0].state) == "running"
        node.start()
        node.wait(lambda: not Path(f"/proc/{model}").exists(), "the old model process to end")
        run = node.wait_for_run("finished", "failed")
        assert run.outcome == "findings", run.reason
        node.wait_for_delivery(run.run_id)
        assert [len(uids) for uids in results_in(orthanc, study_uid).values()] == [1, 1]
        assert len(node.reports()) == 1
        ordered = "_include=DiagnosticReport:based-on"
        assert [body["status"] for body in node.reports(ordered)] == ["partial", "active"]
        later = message.replace("ORC|NW", "ORC|CA").replace("20260301120000", "20260302120000")
        with MLLPClient("127.0.0.1", port) as ris:
            assert code(answered(ris.send_message(later))) == ("AA", "M1")
        node.wait(lambda: node.reports(ordered)[1]["status"] == "revoked", "the cancelled order", seconds=30)


def test_killed_with_several_runs_under_way_each_is_finished_once(tmp_path: Path, quick_models: Path) -> None:
    studies = [write_head(tmp_path / str(seed), seed) for seed in (7, 8, 9, 10)]
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, models=quick_models, quiet=3.0) as node,
    ):
        for _, files in studies:
            storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        node.wait(lambda: node.log.read_text().count('"step": "prepare"') > 1, "a study to be read beside another")
        node.kill()
        node.start()
        node.wait_for_run("finished", count=len(studies))
        runs = node.look(lambda book: book.runs.all())
        assert {run.study_uid for run in runs} == {study_uid for study_uid, _ in studies}
        assert len(runs) == len(studies)
        for run in runs:
            node.wait_for_delivery(run.run_id)
            assert [len(uids) for uids in results_in(orthanc, run.study_uid).values()] == [1, 1]


def model_processes(node: NodeServer) -> list[int]:
    """Process ids of the node's child processes."""
    assert node.process
    tasks = Path(f"/proc/{node.process.pid}/task")
    return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


def test_killed_while_delivering_the_result_arrives_once(tmp_path: Path, quick_models: Path) -> None:
    """The archive has stored the objects, but the node is killed before it hears so."""
    study_uid, files = write_head(tmp_path / "study")
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        SlowArchive(orthanc.url) as slow,
        NodeServer(tmp_path / "node", orthanc, models=quick_models, dicomweb=f"{slow.url}/dicom-web") as node,
    ):
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        node.wait(slow.holding.is_set, "the archive to store")
        node.kill()
        slow.let_go()
        stored = results_in(orthanc, study_uid)
        assert [len(uids) for uids in stored.values()] == [1, 1]
        node.start()
        node.wait_for_delivery(node.wait_for_run("finished").run_id)
        assert results_in(orthanc, study_uid) == stored
        assert slow.stores == 1


def test_an_archive_that_stops_during_delivery_gets_the_result_once_when_it_is_back(
    tmp_path: Path, quick_models: Path
) -> None:
    study_uid, files = write_head(tmp_path / "study")
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, models=quick_models) as node,
    ):
        orthanc.stop()
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        run = node.wait_for_run("finished")
        node.wait(lambda: node.look(lambda book: book.deliveries.all()[0].attempts) > 1, "a failed attempt")
        row = node.look(lambda book: book.deliveries.all()[0])
        assert row.state == "pending"
        assert row.reason
        orthanc.start()
        node.wait_for_delivery(run.run_id)
        assert [len(uids) for uids in results_in(orthanc, study_uid).values()] == [1, 1]
