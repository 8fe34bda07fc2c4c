"""A study goes in by either way, and SEG, SR and report come back, once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ainode.journal.runs import RunRow
from peers.dcmtk import storescu
from peers.dicom_checkers import assert_valid_iod
from peers.head_study import write_head
from peers.node import NodeServer
from peers.orthanc import OrthancServer


def results_in(orthanc: OrthancServer, study_uid: str) -> dict[str, list[str]]:
    """SOP Instance UIDs of the results that Orthanc has for a study, by modality."""
    found: dict[str, list[str]] = {}
    for modality in ("SEG", "SR"):
        series = orthanc.find("Instance", {"StudyInstanceUID": study_uid, "Modality": modality})
        found[modality] = sorted(item["MainDicomTags"]["SOPInstanceUID"] for item in series)
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    _, files = write_head(tmp_path_factory.mktemp("study"))
    return files


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path_factory.mktemp("orthanc")) as orthanc:
        yield orthanc


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, orthanc: OrthancServer, quick_models: Path) -> Iterator[NodeServer]:
    with NodeServer(tmp_path_factory.mktemp("node"), orthanc, models=quick_models, follow=True) as node:
        yield node


@pytest.fixture(scope="module")
def sent(node: NodeServer, files: list[Path]) -> RunRow:
    """The run on the study that was sent to the node, which follows Orthanc, too; its result is delivered."""
    storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
    return delivered(node)


def delivered(node: NodeServer) -> RunRow:
    run = node.wait_for_run("finished", "failed")
    assert run.outcome == "findings", run.reason
    node.wait_for_delivery(run.run_id)
    return run


def test_both_ways_in_give_the_same_objects(
    tmp_path: Path, quick_models: Path, node: NodeServer, orthanc: OrthancServer, files: list[Path], sent: RunRow
) -> None:
    with (
        OrthancServer(tmp_path / "orthanc") as followed,
        NodeServer(tmp_path / "node", followed, models=quick_models, follow=True) as fetching,
    ):
        storescu(files, "127.0.0.1", followed.dicom_port, called=followed.ae_title)
        fetched = delivered(fetching)
        objects, reports = results_in(followed, fetched.study_uid), [report["id"] for report in fetching.reports()]
    assert [len(uids) for uids in objects.values()] == [1, 1]
    assert len(reports) == 1
    assert results_in(orthanc, sent.study_uid) == objects
    assert [report["id"] for report in node.reports()] == reports


def test_the_objects_in_the_archive_pass_dciodvfy_and_fhir_finds_the_report(
    tmp_path: Path, node: NodeServer, orthanc: OrthancServer, sent: RunRow
) -> None:
    for modality, (uid,) in results_in(orthanc, sent.study_uid).items():
        path = tmp_path / f"{modality}.dcm"
        path.write_bytes(orthanc.file_of(uid))
        assert_valid_iod(path)
    for query in (f"imagingStudy.identifier=urn:dicom:uid|urn:oid:{sent.study_uid}", "status=partial"):
        (report,) = node.reports(query)
        assert (report["resourceType"], report["status"]) == ("DiagnosticReport", "partial")


def test_sending_again_and_restarting_make_nothing_new(
    node: NodeServer, orthanc: OrthancServer, files: list[Path], sent: RunRow
) -> None:
    before = results_in(orthanc, sent.study_uid)
    storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
    storescu(files, "127.0.0.1", orthanc.dicom_port, called=orthanc.ae_title)
    node.stop()
    node.start()
    node.wait(
        lambda: node.look(lambda book: not book.studies.to_fetch("orthanc", settled=0.0)) and _followed(node),
        "the change feed to be worked off",
    )
    node.wait(lambda: node.look(lambda book: not book.studies.due()), "the study to be looked at")
    assert results_in(orthanc, sent.study_uid) == before
    assert len(node.look(lambda book: book.runs.all())) == 1
    assert len(node.look(lambda book: book.deliveries.all())) == 1
    assert len(node.reports()) == 1


def _followed(node: NodeServer) -> bool:
    """Whether the node has read of its own results in the change feed, which come after the images."""
    return bool(node.look(lambda book: book.studies.position("orthanc")))
