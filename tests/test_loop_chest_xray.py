"""Chest radiographs go in, and Structured Report, pictures of where the model looked, and FHIR come back."""

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.journal.runs import RunRow
from ainode.volume.builder import read_header
from ainode.volume.pixels import stored_values
from ainode_dicom_sr.encapsulated_pdf import document_of
from ainode_models.demo.chest import KINDS, chest_phantom
from peers.classified import radiograph
from peers.dcmtk import storescu
from peers.dicom_checkers import assert_valid_iod, report_text
from peers.node import NodeServer
from peers.orthanc import OrthancServer
from peers.shared_data import shared_data

RULE = """
[[rule]]
name = "chest X-ray"
model = "chest-xray-demo"
outputs = ["sc", "sr", "pdf", "fhir"]
destinations = ["orthanc"]
[rule.input.chest]
Modality = ["DX", "CR"]
"""
ABSENT = '(373572006,SCT,"Clinical finding absent")='


def runs_of(node: NodeServer, *studies: str) -> dict[str, RunRow]:
    """The run of each study, once all have ended."""

    def ended() -> dict[str, RunRow]:
        rows = {row.study_uid: row for row in node.look(lambda book: book.runs.all())}
        return {uid: rows[uid] for uid in studies if uid in rows and rows[uid].finished_at}

    node.wait(lambda: len(ended()) == len(studies), "end of all runs", seconds=600)
    return ended()


def results_in(orthanc: OrthancServer, study_uid: str, modality: str) -> list[Dataset]:
    """What Orthanc has of a modality, by Instance Number."""
    found = orthanc.find("Instance", {"StudyInstanceUID": study_uid, "Modality": modality})
    files = [orthanc.file_of(item["MainDicomTags"]["SOPInstanceUID"]) for item in found]
    return sorted((dcmread(io.BytesIO(file)) for file in files), key=lambda ds: int(ds.InstanceNumber))


def xray_in(picture: Dataset, source: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The part of the picture that shows the X-ray, and the X-ray in that size: both in grey."""
    step = max(1, -(-max(source.shape) // 1024))
    columns, rows = source.shape[1] // step, source.shape[0] // step
    small = np.asarray(Image.fromarray(source).resize((columns, rows)), float)
    return picture.pixel_array.min(axis=2)[50 : 50 + rows, 10 : 10 + columns].astype(float), small


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path / "orthanc") as orthanc:
        yield orthanc


@pytest.fixture
def node(tmp_path: Path, orthanc: OrthancServer) -> Iterator[NodeServer]:
    with NodeServer(tmp_path / "node", orthanc, rules=RULE) as node:
        yield node


def conclusions(node: NodeServer) -> dict[str, str]:
    """Status and conclusion of each report, by Study Instance UID."""
    return {
        str(body["imagingStudy"][0]["identifier"]["value"]).removeprefix("urn:oid:"):  # type: ignore[index]
        f"{body['status']}: {body['conclusion']}"
        for body in node.reports()
    }  # fmt: skip


def test_real_radiographs_come_back_explained_the_right_way_round(
    tmp_path: Path, orthanc: OrthancServer, node: NodeServer
) -> None:
    folder = shared_data("chest-xray")
    paths = {study_of(path): path for path in sorted(folder.glob("dx-*.dcm"))}
    storescu(list(paths.values()), "127.0.0.1", node.dicom_port, called="AINODE", options=("-xv",))  # JPEG 2000, too
    for study, run in runs_of(node, *paths).items():
        assert run.outcome in ("findings", "no findings"), run.reason
        node.wait_for_delivery(run.run_id)
        said = conclusions(node)[study]
        assert said.startswith("partial: ")
        assert all(f"{label} (probability" in said for label in KINDS)
        (report,), pictures = results_in(orthanc, study, "SR"), results_in(orthanc, study, "OT")
        text = text_of(report, tmp_path)
        assert text.count('"Measurement Group"') == len(KINDS) + 1
        assert text.count('(130401,DCM,"Visual explanation")=(SC image') == len(pictures)
        source = as_seen(paths[study])
        for picture in pictures:
            shown, small = xray_in(picture, source)
            ways = (shown, shown[:, ::-1], shown[::-1], shown[::-1, ::-1])
            straight, *turned = (np.corrcoef(way.ravel(), small.ravel())[0, 1] for way in ways)
            assert straight > max(0.6, *turned), (straight, turned)  # the colours of the map take some of it


def test_drawn_radiographs_are_classified_and_what_is_none_is_refused_and_never_looks_negative(
    tmp_path: Path, orthanc: OrthancServer, node: NodeServer
) -> None:
    opacity, normal = (chest_phantom(40, KINDS.index(kind)).image for kind in ("Lung opacity", "Normal"))
    sent = {
        "2.25.91": radiograph(1 - opacity, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"),
        "2.25.92": radiograph(normal),
        "2.25.93": radiograph(opacity, ViewPosition="LL"),
        "2.25.94": radiograph(opacity, PresentationIntentType="FOR PROCESSING"),
    }
    for study, image in sent.items():
        image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = study, f"{study}.1", f"{study}.2"
        image.save_as(tmp_path / f"{study}.dcm", enforce_file_format=True)
    storescu(sorted(tmp_path.glob("2.25.*.dcm")), "127.0.0.1", node.dicom_port, called="AINODE")
    runs = runs_of(node, *sent)
    for run in runs.values():
        node.wait_for_delivery(run.run_id)
    assert [runs[study].outcome for study in sent][:2] == ["findings", "no findings"]
    assert runs["2.25.93"].outcome in ("refused", "failed")  # by the model, in its own process
    assert runs["2.25.94"].outcome == "refused"
    assert "LL" in str(runs["2.25.93"].reason)
    assert "raw detector images" in str(runs["2.25.94"].reason)
    said = conclusions(node)
    assert "Present according to this algorithm: Lung opacity (probability" in said["2.25.91"]
    assert "This does not mean that the study is normal." in said["2.25.92"]
    assert all(said[study].startswith("cancelled: ") for study in ("2.25.93", "2.25.94"))
    results = {study: [ds for kind in ("OT", "DOC", "SR") for ds in results_in(orthanc, study, kind)] for study in sent}
    assert [ds.Modality for ds in results["2.25.91"]] == ["OT", "DOC", "SR"]
    bands = {study: page_text(next(ds for ds in made if ds.Modality == "DOC")) for study, made in results.items()}
    assert "HALLAZGOS" in bands["2.25.91"]
    assert "NOT DECIDED: A HUMAN MUST" in bands["2.25.92"]  # of its class for normal images it is not sure enough
    assert "REFUSED: IMAGES NOT SUITABLE" in bands["2.25.94"]
    assert all("NOT A NEGATIVE RESULT" in bands[study] for study in ("2.25.93", "2.25.94"))
    texts = {study: text_of(made[-1], tmp_path) for study, made in results.items()}
    for made in (ds for objects in results.values() for ds in objects):
        made.save_as(tmp_path / "made.dcm", enforce_file_format=True)
        assert_valid_iod(tmp_path / "made.dcm")
    assert ABSENT in texts["2.25.91"]
    assert ABSENT not in texts["2.25.93"] + texts["2.25.94"]


def as_seen(path: Path) -> NDArray[np.uint8]:
    """The window of an image by hand, air dark; decoded by us, as gdcm takes that JPEG 2000 amiss."""
    image = read_header(path)
    low = image.WindowCenter - image.WindowWidth / 2
    shown = np.clip((stored_values(image, frame=1)[0] - float(low)) / float(image.WindowWidth), 0, 1)
    grey = 1 - shown if image.PhotometricInterpretation == "MONOCHROME1" else shown
    return np.asarray(np.rint(255 * grey), np.uint8)


def text_of(report: Dataset, folder: Path) -> str:
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    return report_text(folder / "report.dcm")


def page_text(instance: Dataset) -> str:
    command = ["/usr/bin/pdftotext", "-", "-"]
    return subprocess.run(command, input=document_of(instance), capture_output=True, check=True).stdout.decode()


def study_of(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).StudyInstanceUID)
