"""A study is sent again with a corrected PatientID: it is analysed again, and the report on the wrong one withdrawn."""

from pathlib import Path

from pydicom import dcmread

from peers.dcmtk import storescu
from peers.head_study import write_head
from peers.node import NodeServer
from peers.orthanc import OrthancServer

CORRECT = "CORRECTED-7"


def corrected(files: list[Path], folder: Path) -> list[Path]:
    """The same images, of another patient."""
    folder.mkdir()
    for path in files:
        image = dcmread(path)
        image.PatientID = CORRECT
        image.save_as(folder / path.name)
    return sorted(folder.iterdir())


def test_a_corrected_study_is_analysed_again_but_not_while_it_names_two_patients(
    tmp_path: Path, quick_models: Path
) -> None:
    study_uid, files = write_head(tmp_path / "study")
    wrong = str(dcmread(files[0]).PatientID)
    again = corrected(files, tmp_path / "corrected")
    with (
        OrthancServer(tmp_path / "orthanc", overrides={"OverwriteInstances": True}) as orthanc,
        NodeServer(tmp_path / "node", orthanc, models=quick_models, quiet=2.0) as node,
    ):
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        first = node.wait_for_run("finished", "failed")
        node.wait_for_delivery(first.run_id)
        assert len(node.reports(f"patient.identifier={wrong}&status=preliminary,partial")) == 1

        storescu(again[:5], "127.0.0.1", node.dicom_port, called="AINODE")

        def reason() -> str:
            study = node.look(lambda book: next((row for row in book.studies.open() if row.state == "waiting"), None))
            return study.reason if study else ""

        node.wait(lambda: "2 patients" in reason(), "the study to wait")
        assert f"({len(files) - 5} and 5 images)" in reason()
        assert len(node.look(lambda book: book.runs.all())) == 1

        storescu(again[5:], "127.0.0.1", node.dicom_port, called="AINODE")
        second = node.wait_for_run("finished", "failed", count=2)
        assert (second.study_uid, second.outcome, second.supersedes) == (study_uid, "findings", first.run_id)
        node.wait_for_delivery(second.run_id)
        statuses = {
            who: [report["status"] for report in node.reports(f"patient.identifier={who}")] for who in (wrong, CORRECT)
        }
        assert statuses == {wrong: ["entered-in-error"], CORRECT: ["partial"]}, statuses
        sr = dcmread(node.folder / "state" / "results" / second.run_id / "sr.dcm")
        assert sr.PatientID == CORRECT
