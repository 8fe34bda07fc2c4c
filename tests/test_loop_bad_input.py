"""Whatever bad comes in, ``ainode runs`` says clearly what is wrong, and nothing is lost."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE
from typer.testing import CliRunner

from ainode.cli import app
from peers.dcmtk import storescu
from peers.head_study import write_head
from peers.node import HEAD_RULE, NodeServer
from peers.orthanc import OrthancServer
from test_loop_ways_in import results_in


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path_factory.mktemp("orthanc")) as orthanc:
        yield orthanc


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, orthanc: OrthancServer, quick_models: Path) -> Iterator[NodeServer]:
    with NodeServer(tmp_path_factory.mktemp("node"), orthanc, models=quick_models) as node:
        yield node


def send_as_it_is(path: Path, node: NodeServer) -> None:
    """C-STORE the bytes behind the file meta information, whatever they are; asserts 0x0000."""
    ae = AE(ae_title="SENDER")
    meta = dcmread(path, stop_before_pixels=True, specific_tags=[]).file_meta
    ae.add_requested_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)
    assoc = ae.associate("127.0.0.1", node.dicom_port, ae_title="AINODE")
    status = assoc.send_c_store(path).Status
    assoc.release()
    assert status == 0x0000


def spooled(node: NodeServer, content: bytes) -> bool:
    """Whether some file of the spool ends with ``content``."""
    return any(path.read_bytes().endswith(content) for path in (node.folder / "state" / "spool").rglob("*.dcm"))


def told(node: NodeServer, *words: str) -> bool:
    """Whether ``ainode runs`` says all of ``words``; asked again and again, and so without a process for each time."""
    said = CliRunner().invoke(app, ["runs"], env={"AINODE_SETTINGS": str(node.settings_file)})
    return said.exit_code == 0 and all(word in said.stdout for word in words)


def damaged(tmp_path: Path, seed: int, *, keep: int, add: bytes) -> tuple[Path, bytes]:
    """One image of which only ``keep`` bytes of the data set are left, and then ``add``; the file and these bytes."""
    _, (path, *_) = write_head(tmp_path / "study", seed)
    content = path.read_bytes()
    start = content.index(b"\x08\x00\x05\x00") if keep == 0 else 0
    path.write_bytes(content[:start] + add if keep == 0 else content[:keep])
    return path, path.read_bytes()[-200:]


def test_a_truncated_object_is_kept_and_named(tmp_path: Path, node: NodeServer) -> None:
    path, content = damaged(tmp_path, 101, keep=3000, add=b"")
    send_as_it_is(path, node)
    node.wait(lambda: told(node, "instances that cannot be used", str(dcm_uid(path))), "the refusal")
    assert spooled(node, content)


def test_an_object_that_is_no_dicom_is_kept_and_named(tmp_path: Path, node: NodeServer) -> None:
    path, content = damaged(tmp_path, 102, keep=0, add=b"this is no DICOM data set at all, only text" * 20)
    send_as_it_is(path, node)
    node.wait(lambda: told(node, str(dcm_uid(path))), "the refusal")
    assert spooled(node, content)


def dcm_uid(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True, specific_tags=[]).file_meta.MediaStorageSOPInstanceUID)


def test_a_series_with_a_missing_slice_fails_with_the_place_of_the_gap(
    tmp_path: Path, node: NodeServer, orthanc: OrthancServer
) -> None:
    study_uid, files = write_head(tmp_path / "study", 103)
    storescu(files[:8] + files[9:], "127.0.0.1", node.dicom_port, called="AINODE")
    node.wait(lambda: told(node, study_uid, "failed", "missing slices"), "the failed run")
    (run,) = node.look(lambda book: book.runs.of_study(study_uid))
    node.wait_for_delivery(run.run_id)
    assert [len(uids) for uids in results_in(orthanc, study_uid).values()] == [0, 1]
    (report,) = node.reports("status=cancelled")
    assert "not a negative" in str(report["conclusion"])

    storescu(files[8], "127.0.0.1", node.dicom_port, called="AINODE")
    node.wait(lambda: len(node.look(lambda book: book.runs.of_study(study_uid))) > 1, "the run with the late slice")
    again = node.wait_for_run("finished", "failed")
    assert (again.outcome, again.number, again.supersedes) == ("findings", 2, run.run_id)
    node.wait_for_delivery(again.run_id)
    assert [report["status"] for report in node.reports("status=cancelled")] == []


def test_a_study_that_no_rule_wants_is_kept_with_the_reason(tmp_path: Path, node: NodeServer) -> None:
    study_uid, files = write_head(tmp_path / "study", 104)
    for path in files:
        ds = dcmread(path)
        ds.SeriesDescription = "localizer"
        ds.save_as(path)
    storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
    node.wait(lambda: told(node, study_uid, "no rule wants it"), "the reason")
    assert len(node.look(lambda book: book.instances.of_study(study_uid))) == len(files)


def test_a_rules_file_with_a_typo_holds_studies_until_it_is_mended(tmp_path: Path, node: NodeServer) -> None:
    study_uid, files = write_head(tmp_path / "study", 105)
    node.rules_file.write_text(HEAD_RULE.replace("destinations", "destinatoins"))
    storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
    node.wait(lambda: told(node, study_uid, "rules.toml:5", "did you mean 'destinations'?"), "the reason")
    node.rules_file.write_text(HEAD_RULE)
    node.wait(lambda: node.look(lambda book: book.runs.of_study(study_uid)), "the run")
    assert node.wait_for_run("finished", "failed").outcome == "findings"


def test_a_package_with_a_wrong_checksum_fails_the_run_and_can_be_mended(
    tmp_path: Path, orthanc: OrthancServer, quick_models: Path
) -> None:
    shutil.copytree(quick_models, tmp_path / "models")
    weights = tmp_path / "models" / "t1-head-demo" / "nnunet" / "fold_0" / "checkpoint_final.pth"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    study_uid, files = write_head(tmp_path / "study", 106)
    with NodeServer(tmp_path / "node", orthanc, models=tmp_path / "models") as node:
        storescu(files, "127.0.0.1", node.dicom_port, called="AINODE")
        node.wait(lambda: told(node, study_uid, "failed", "SHA-256", "checkpoint_final.pth"), "the failed run")
        assert "checkpoint_final.pth" in node.ainode("runs").stdout, "the program itself says so, too"
        weights.write_bytes(good)
        (run,) = node.look(lambda book: book.runs.all())
        assert node.ainode("runs", "retry", run.run_id[:8]).returncode == 0
        assert node.wait_for_run("finished", count=2).outcome == "findings"
