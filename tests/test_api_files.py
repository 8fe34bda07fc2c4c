"""What clients may send by REST: kinds, sizes and shapes are checked, refusals say what is wrong, and nothing stays."""

import contextlib
import gzip
import http.client
import io
import json
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ainode.settings import Api
from ainode_models.volume import Volume
from peers.api_node import ApiNode, api_node
from peers.nifti_files import write_channels, write_nifti
from peers.tiny_series import write_series


class NoModel:
    """Fails the test when files that should have been refused get to the model."""

    def predict(self, *_arguments: object, **_named: object) -> None:  # noqa: D102 - as a node's worker
        raise AssertionError("the model was called")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiNode]:
    limits = Api(enabled=True, max_upload=4 << 20, max_inflated=1 << 20, max_waiting=20)
    with api_node(tmp_path_factory.mktemp("rest"), NoModel(), limits=limits) as node:
        yield node


def zip_of(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return file.getvalue()


def png(rows: int, columns: int) -> bytes:
    """The start of a PNG that says how large it is."""
    header = b"IHDR" + struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def nifti(folder: Path, *, ones: float = 1.0) -> bytes:
    volume = Volume(np.full((4, 5, 6), ones, np.float32), np.eye(4), "")
    return write_nifti(folder / "a.nii", volume).read_bytes()


def nifti_of(folder: Path, *, channels: int) -> bytes:
    volume = Volume(np.ones((4, 5, 6), np.int16), np.eye(4), "")
    return write_channels(folder / "all.nii", [volume] * channels).read_bytes()


def refused(node: ApiNode, *files: tuple[str, Any], model: str = "t1-head-demo", more: str = "") -> tuple[int, str]:
    """Status and detail of a refusal, after which nothing of the files is left."""
    answer = node.http.post(f"{node.url}/predict/{model}{more}", files=list(files))
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["success"]) == (answer.status_code, False)
    assert problem["message"] == problem["detail"]
    assert node.files() == []
    assert not list((node.folder / "api" / "uploads").iterdir())
    return answer.status_code, problem["detail"]


def test_bombs_end_at_their_bounds(node: ApiNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ainode.dicomweb.zip_members._ALWAYS_ALLOWED", 1 << 20)
    zeros = b"\0" * (64 << 20)
    status, said = refused(node, ("image", ("a.nii.gz", gzip.compress(zeros))))
    assert (status, "max_inflated" in said) == (422, True)
    bomb = zip_of(**{"a.dcm": b"\0" * 128 + b"DICM" + zeros})
    assert refused(node, ("image", ("a.zip", bomb)))[0] in (413, 422)
    assert refused(node, ("image", ("a.nii", b"\x5c\1" + b"\0" * (5 << 20))))[0] == 413


@pytest.mark.parametrize(
    ("name", "content", "kind", "status", "word"),
    [
        ("a.txt", b"nothing to see", "text/plain", 415, "none of NIfTI"),
        ("a.nii.gz", gzip.compress(b"no NIfTI"), "application/gzip", 422, "no NIfTI file"),
        ("a.nii.gz", gzip.compress(b"x" * 5000)[:-20], "application/gzip", 422, "cut short"),
        ("a.zip", b"PK\3\4 no zip at all", "application/zip", 400, "no zip file"),
        (
            "a.zip",
            zip_of(readme=b"hello"),
            "application/zip",
            422,
            "no DICOM and no NIfTI file that can be read: neither",
        ),
        ("a.zip", zip_of(a=gzip.compress(b"a table")), "application/zip", 422, "neither DICOM nor NIfTI"),
        ("a.png", png(10, 10), "image/png", 415, "takes NIfTI, DICOM or zip"),
        ("a.dcm", b"\0" * 128 + b"DICM" + b"garbage" * 30, "application/dicom", 422, "no series fits"),
    ],
    ids=[
        "text",
        "gzip of something else",
        "gzip cut short",
        "no zip",
        "zip of text",
        "zip of gzip",
        "picture",
        "no DICOM",
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    node: ApiNode, name: str, content: bytes, kind: str, status: int, word: str
) -> None:
    got, said = refused(node, ("image", (name, content, kind)))
    assert (got, word in said) == (status, True), said


def test_volumes_that_are_not_whole_numbers_of_one_place_are_refused(node: ApiNode, tmp_path: Path) -> None:
    assert refused(node, ("image", nifti(tmp_path, ones=np.nan)))[0] == 422
    nowhere = bytearray(nifti(tmp_path))
    nowhere[252:256] = b"\0" * 4  # qform_code and sform_code
    status, said = refused(node, ("image", bytes(nowhere)))
    assert (status, "where its voxels are" in said) == (422, True)
    status, said = refused(node, ("image", nifti(tmp_path)[:-10]))
    assert (status, "damaged" in said) == (422, True)


def test_files_that_no_input_takes_are_refused_with_what_to_send(node: ApiNode, tmp_path: Path) -> None:
    volume = nifti(tmp_path)
    assert refused(node, ("image", volume), ("image", volume)) == (
        400,
        "several files for one input; send one at a time, or all to /batch",
    )
    status, said = refused(node, ("T1", volume), ("T2", volume), model="brain-tumour-demo")
    assert (status, "T1c, FLAIR" in said) == (400, True)
    status, said = refused(node, ("image", ("a.nii", volume)), ("image", ("b.nii", volume)), model="brain-tumour-demo")
    assert (status, "which input" in said) == (400, True)
    four = nifti_of(tmp_path, channels=4)
    assert refused(node, ("image", four)) == (422, "the NIfTI file holds 4 volumes; send each as a file of its own")
    order = "the model needs 4: a file for each, or one file of all in this order: T1, T1c, T2, FLAIR"
    for channels, held in ((1, "1 volume"), (3, "3 volumes")):
        sent = nifti_of(tmp_path, channels=channels)
        status, said = refused(node, ("image", ("case-t1.nii", sent)), model="brain-tumour-demo")
        assert (status, said) == (422, f"the NIfTI file holds {held}; {order}")
    assert refused(node, ("T1", four), model="brain-tumour-demo")[0] == 400
    assert refused(node, ("picture", volume))[0] == 400
    assert refused(node, ("image", ("a.nii", volume, "image/png")))[0] == 415
    paths = write_series(tmp_path / "ct", images=3)
    status, said = refused(node, *[("image", path.read_bytes()) for path in paths])
    assert (status, "1 of modality CT" in said) == (422, True)
    assert refused(node, ("image", volume), model="no-such-model")[0] == 404
    assert refused(node, ("image", volume), more="?series=1.02")[0] == 400
    assert refused(node, ("image", volume), more="?async=perhaps")[0] == 400


def test_a_zip_of_volumes_must_be_clear_and_of_one_kind(node: ApiNode, tmp_path: Path) -> None:
    volume, dicom = nifti(tmp_path), write_series(tmp_path / "ct", images=1)[0].read_bytes()
    brain = {f"case-{name}.nii": volume for name in ("t1n", "t1c", "t2w", "t2f")}
    for members, model, status, word in (
        ({"a.nii": volume, "b.dcm": dicom}, "t1-head-demo", 400, "several kinds (DICOM, NIfTI)"),
        (brain | {"case-seg.nii": volume}, "brain-tumour-demo", 400, "which input"),
        (brain | {"flair.nii": volume}, "brain-tumour-demo", 400, "several files for one input"),
        ({"t1.nii": volume, "t2.nii": volume}, "brain-tumour-demo", 400, "no file for the input T1c, FLAIR"),
        ({"a.nii": volume, "b.nii": volume}, "t1-head-demo", 400, "several files for one input"),
        ({"a.nii": volume}, "chest-xray-demo", 415, "takes DICOM, zip, PNG or JPEG, not NIfTI"),
        ({"a.nii.gz": gzip.compress(volume + b"\0" * (2 << 20))}, "t1-head-demo", 422, "max_inflated"),
        ({"a.nii": volume + b"\0" * (2 << 20)}, "t1-head-demo", 422, "max_inflated"),
    ):
        got, said = refused(node, ("image", ("a.zip", zip_of(**members))), model=model)
        assert (got, word in said) == (status, True), said


def test_a_body_that_is_no_form_or_breaks_off_is_refused(node: ApiNode, tmp_path: Path) -> None:
    url = f"{node.url}/predict/t1-head-demo"
    assert node.http.post(url, content=b"x", headers={"content-type": "application/octet-stream"}).status_code == 415
    assert node.http.post(url, content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400
    form = {"content-type": "multipart/form-data; boundary=b"}
    for body in (
        b"",
        b"--b\r\n",
        b"--b\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx',
    ):
        assert node.http.post(url, content=body, headers=form).status_code == 400, body
    text = node.http.post(
        url, content=b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n', headers=form
    )
    assert (text.status_code, "no file" in text.json()["detail"]) == (400, True)
    host = node.url.split("/")[2]
    with contextlib.closing(http.client.HTTPConnection(host, timeout=60)) as left:
        left.putrequest("POST", "/api/v1/predict/t1-head-demo")
        left.putheader("Content-Type", "multipart/form-data; boundary=b")
        left.putheader("Content-Length", "1000000")
        left.endheaders(b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + b"x" * 1000)
    assert node.http.get(f"{node.url}/models").status_code == 200
    deadline = time.monotonic() + 60
    while list((node.folder / "api" / "uploads").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list((node.folder / "api" / "uploads").iterdir())


def test_a_defect_is_told_to_the_log_and_not_to_the_client(
    node: ApiNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = refused(node, ("image", nifti(tmp_path)))
    assert (status, said) == (500, "the node failed; its log says why")
    assert "AssertionError" in capsys.readouterr().out


def test_what_is_not_there_is_404_as_a_problem(node: ApiNode) -> None:
    for path in ("/jobs/" + "0" * 32, "/results/" + "0" * 32 + "/mask.nii.gz", "/results/x", "/nothing"):
        answer = node.http.get(node.url + path)
        assert (answer.status_code, json.loads(answer.text)["status"]) == (404, 404), path
    assert node.http.delete(f"{node.url}/jobs/{'0' * 32}").status_code == 404
