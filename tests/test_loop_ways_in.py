"""A study goes in by either way, and SEG, SR and report come back, once."""

from pathlib import Path

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


def run_study(folder: Path, files: list[Path], models: Path, *, follow: bool) -> tuple[dict[str, list[str]], list[str]]:
    """Send the study, to Orthanc if the node follows it, else to the node; results in Orthanc, and report ids."""
    with (
        OrthancServer(folder / "orthanc") as orthanc,
        NodeServer(folder / "node", orthanc, models=models, follow=follow) as node,
    ):
        target = (orthanc.dicom_port, orthanc.ae_title) if follow else (node.dicom_port, "AINODE")
        storescu(files, "127.0.0.1", target[0], called=target[1])
        run = node.wait_for_run("finished", "failed")
        assert run.outcome == "findings", run.reason
        node.wait_for_delivery(run.run_id)
        return results_in(orthanc, run.study_uid), [str(report["id"]) for report in node.reports()]


def test_both_ways_in_give_the_same_objects(tmp_path: Path, quick_models: Path) -> None:
    _, files = write_head(tmp_path / "study")
    sent_to_node = run_study(tmp_path / "direct", files, quick_models, follow=False)
    fetched_from_orthanc = run_study(tmp_path / "feed", files, quick_models, follow=True)
    objects, reports = sent_to_node
    assert [len(uids) for uids in objects.values()] == [1, 1]
    assert len(reports) == 1
    assert fetched_from_orthanc == sent_to_node


def test_sending_again_and_restarting_make_nothing_new(tmp_path: Path, quick_models: Path) -> None:
    study_uid, files = write_head(tmp_path / "study")
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, models=quick_models, follow=True) as node,
    ):
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        node.wait_for_delivery(node.wait_for_run("finished").run_id)
        before = results_in(orthanc, study_uid)
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        storescu(files, "127.0.0.1", orthanc.dicom_port, called=orthanc.ae_title)
        node.stop()
        node.start()
        node.wait(
            lambda: node.look(lambda book: not book.studies.to_fetch("orthanc", settled=0.0)) and _followed(node),
            "the change feed to be worked off",
        )
        node.wait(lambda: node.look(lambda book: not book.studies.due()), "the study to be looked at")
        assert results_in(orthanc, study_uid) == before
        assert len(node.look(lambda book: book.runs.all())) == 1
        assert len(node.look(lambda book: book.deliveries.all())) == 1
        assert len(node.reports()) == 1


def _followed(node: NodeServer) -> bool:
    """Whether the node has read of its own results in the change feed, which come after the images."""
    return bool(node.look(lambda book: book.studies.position("orthanc")))


def test_the_objects_in_the_archive_pass_dciodvfy_and_fhir_finds_the_report(tmp_path: Path, quick_models: Path) -> None:
    study_uid, files = write_head(tmp_path / "study")
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "node", orthanc, models=quick_models) as node,
    ):
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        node.wait_for_delivery(node.wait_for_run("finished").run_id)
        for modality, (uid,) in results_in(orthanc, study_uid).items():
            path = tmp_path / f"{modality}.dcm"
            path.write_bytes(orthanc.file_of(uid))
            assert_valid_iod(path)
        for query in (f"imagingStudy.identifier=urn:dicom:uid|urn:oid:{study_uid}", "status=partial"):
            (report,) = node.reports(query)
            assert (report["resourceType"], report["status"]) == ("DiagnosticReport", "partial")
