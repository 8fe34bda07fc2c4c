"""Uploads: a DICOM file, a zip of them, a NIfTI volume; sent by curl, as people do."""

import gzip
import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from ainode.settings import Dicomweb
from peers.dcm2niix import convert, in_axes_of, read
from peers.dicom_checkers import assert_valid_iod
from peers.dicomweb_node import DicomWebNode, dicomweb_node
from peers.shared_data import shared_data
from peers.tiny_series import write_series

OBLIQUE = np.array([[0.9, -0.12, 0.3, -80.5], [0.1, 1.1, 0.2, -90.25], [-0.27, -0.19, 2.9, 12.125], [0, 0, 0, 1.0]])


@pytest.fixture
def node(tmp_path: Path) -> Iterator[DicomWebNode]:
    with dicomweb_node(tmp_path / "node") as node:
        yield node


def curl(node: DicomWebNode, path: Path, kind: str, query: str = "") -> tuple[int, Any]:
    """Status and JSON answer (or text) of an upload by curl."""
    command = ["curl", "-sS", "--noproxy", "*", "-w", "\n%{http_code}", "-H", f"Content-Type: {kind}"]
    command += ["--data-binary", f"@{path}", f"{node.root}/upload{query}"]
    body, _, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rpartition("\n")
    return int(status), json.loads(body) if body.startswith("{") else body


def test_one_file_is_stored_as_it_is(node: DicomWebNode, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "in", images=1)
    status, answer = curl(node, path, "application/dicom")
    assert (status, answer["studies"], answer["stored"]) == (200, [str(dcmread(path).StudyInstanceUID)], 1)
    assert [file.read_bytes() for file in node.files()] == [path.read_bytes()]
    assert [row.source for row in node.journal.to_index()] == ["REST upload 127.0.0.1"]
    text = tmp_path / "text"
    text.write_text("no DICOM")
    status, answer = curl(node, text, "application/dicom")
    assert (status, answer["failed"]) == (400, 1)
    assert curl(node, path, "application/x-www-form-urlencoded")[0] == 415


def test_a_zip_gives_its_dicom_files_and_says_what_it_skipped(node: DicomWebNode, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", images=3)
    cut = paths[2].read_bytes()[:-50]
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(paths[0], "../../../../tmp/escaped.dcm")
        made.write(paths[1], "/etc/two")
        made.writestr("cut.dcm", cut)
        made.writestr("read me.txt", "nothing to see")
        made.writestr("DICOMDIR", b"\0" * 128 + b"DICM")
        made.writestr("empty", b"")
    status, answer = curl(node, archive, "application/zip")
    assert (status, answer["stored"], answer["failed"], answer["skipped"]) == (200, 2, 1, 3)
    assert {line["name"]: line["outcome"] for line in answer["files"]} == {
        "../../../../tmp/escaped.dcm": "stored",
        "etc/two": "stored",
        "cut.dcm": "failed",
        "read me.txt": "skipped",
        "DICOMDIR": "skipped",
        "empty": "skipped",
    }
    assert sorted(file.read_bytes() for file in node.files()) == sorted(path.read_bytes() for path in paths[:2])
    assert not Path("/tmp/escaped.dcm").exists()
    node.index()
    assert len(node.search("/instances")) == 2


def test_bombs_end_at_their_bounds_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ainode.dicomweb.zip_members._ALWAYS_ALLOWED", 1 << 20)
    monkeypatch.setattr("ainode.dicomweb.zip_members._LONGEST_DIRECTORY", 1 << 16)
    bomb, many, gz, broken = (tmp_path / name for name in ("bomb.zip", "many.zip", "bomb.nii.gz", "broken.zip"))
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros.dcm", b"\0" * 128 + b"DICM" + b"\0" * (16 << 20))
    with zipfile.ZipFile(many, "w") as made:
        for number in range(2000):
            made.writestr(f"{number}", b"")
    gz.write_bytes(gzip.compress(b"\0" * (16 << 20)))
    broken.write_bytes(b"PK\3\4 no zip at all")
    limits = Dicomweb(enabled=True, max_object=1 << 20)
    with dicomweb_node(tmp_path / "node", limits=limits) as node:
        assert curl(node, bomb, "application/zip")[0] in (400, 413)
        assert curl(node, many, "application/zip")[0] == 413
        assert curl(node, broken, "application/zip")[0] == 400
        status, said = curl(node, gz, "application/gzip")
        assert (status, "max_object" in said) == (400, True)
        assert not node.files()


def test_a_body_over_the_limit_is_413(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a", b"\0" * 2000)
    with dicomweb_node(tmp_path / "node", limits=Dicomweb(enabled=True, max_upload=1000)) as node:
        assert curl(node, archive, "application/zip")[0] == 413
        assert not node.files()


def uploaded(node: DicomWebNode, nifti: Path, folder: Path, query: str = "") -> list[Path]:
    """The files of the series that a NIfTI upload made, fetched from the spool."""
    status, answer = curl(node, nifti, "application/x-nifti", query)
    assert status == 200, answer
    node.index()
    assert not node.refusals()
    folder.mkdir()
    for number, file in enumerate(node.files()):
        (folder / f"{number}.dcm").write_bytes(file.read_bytes())
    return sorted(folder.iterdir())


def write_nifti(path: Path, voxels: Any, affine: Any) -> Path:
    image: Any = nibabel.nifti1.Nifti1Image(voxels, affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def volume(kind: str) -> Any:
    noise = np.random.default_rng(3).normal(100, 300, (20, 18, 6))
    return np.clip(noise, 0, None).astype(kind) if kind.startswith("u") else noise.astype(kind)


@pytest.mark.parametrize(
    ("kind", "flip"), [("int16", 1), ("int16", -1), ("uint16", 1), ("uint8", -1), ("int32", 1), ("float32", -1)]
)
def test_a_volume_comes_back_from_dcm2niix_where_and_as_it_was(
    node: DicomWebNode, tmp_path: Path, kind: str, flip: int
) -> None:
    affine = orthogonal(OBLIQUE) @ np.diag([flip, 1, 1, 1])
    nifti = write_nifti(tmp_path / "v.nii.gz", volume(kind), affine)
    uploaded(node, nifti, tmp_path / "dicom")
    ours = read(convert(tmp_path / "dicom", tmp_path / "back"))
    back = in_axes_of(ours, np.diag([-1.0, -1, 1, 1]) @ affine)
    assert np.abs(back.affine - np.diag([-1.0, -1, 1, 1]) @ affine).max() < 1e-3
    values = volume(kind).astype(np.float64)
    step = 0.0 if "int" in kind else (values.max() - values.min()) / 65535
    assert np.abs(back.array - values).max() <= step * 0.51 + 1e-6


def orthogonal(affine: Any) -> Any:
    """The nearest affine whose axes are at right angles."""
    axes, _, turned = np.linalg.svd(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    made = affine.copy()
    made[:3, :3] = (axes @ turned) * np.linalg.norm(affine[:3, :3], axis=0)
    return made


def test_a_real_volume_makes_the_trip_with_its_scaling(node: DicomWebNode, tmp_path: Path) -> None:
    source = next(shared_data("enhanced-mr").glob("Philips*fieldmaphz.nii"))
    uploaded(node, source, tmp_path / "dicom")
    before = read(source)
    lps = np.diag([-1.0, -1, 1, 1]) @ before.affine
    back = in_axes_of(read(convert(tmp_path / "dicom", tmp_path / "back")), lps)
    assert np.abs(back.affine - lps).max() < 1e-3
    assert len(np.unique(before.array)) > 1000
    assert np.abs(back.array - before.array).max() < 1e-3


def test_the_series_is_marked_stable_and_sound(node: DicomWebNode, tmp_path: Path) -> None:
    nifti = write_nifti(tmp_path / "v.nii", volume("int16"), np.diag([1, 1, 2, 1.0]))
    query = "?patient_id=P1&study=1.2.3.4&series_description=T1"
    paths = uploaded(node, nifti, tmp_path / "dicom", query)
    assert len(paths) == 6
    ds = dcmread(paths[0])
    assert (ds.PatientID, ds.StudyInstanceUID, ds.Modality) == ("P1", "1.2.3.4", "MR")
    assert (ds.SeriesDescription, ds.ConversionType) == ("T1 from NIfTI", "WSD")
    assert list(ds.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
    for path in paths:
        assert_valid_iod(path)
    before = node.files()
    packed = tmp_path / "v.nii.gz"
    packed.write_bytes(gzip.compress(nifti.read_bytes()))
    assert curl(node, packed, "application/gzip", query)[0] == 200
    assert node.files() == before
    status, answer = curl(node, nifti, "application/x-nifti", "?modality=CT")
    assert status == 200
    assert answer["studies"] != ["1.2.3.4"]
    assert len(node.files()) == 12


@pytest.mark.parametrize(
    ("voxels", "affine", "said"),
    [
        (np.zeros((4, 4, 4, 3), np.int16), np.eye(4), "3 volumes"),
        (np.full((4, 4, 4), np.nan, np.float32), np.eye(4), "no numbers"),
        (np.zeros((4, 4, 4), np.complex64), np.eye(4), "complex"),
        (
            np.zeros((4, 4, 4), np.int16),
            np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
            "right",
        ),
        (np.zeros((4, 4, 4), np.int16), None, "sform"),
    ],
)
def test_what_cannot_be_a_series_is_refused_with_the_reason(
    node: DicomWebNode, tmp_path: Path, voxels: Any, affine: Any, said: str
) -> None:
    path = write_nifti(tmp_path / "v.nii", voxels, affine)
    status, answer = curl(node, path, "application/x-nifti")
    assert status == 400
    assert said in answer
    assert not node.files()


def test_damaged_volumes_are_refused(node: DicomWebNode, tmp_path: Path) -> None:
    good = write_nifti(tmp_path / "v.nii", volume("float32"), np.eye(4)).read_bytes()
    damaged = tmp_path / "damaged.nii"
    for content in (good[:200], good[:-500], b"", b"\0" * 1000, gzip.compress(good)[:-100]):
        damaged.write_bytes(content)
        status, answer = curl(node, damaged, "application/x-nifti")
        assert (status, type(answer)) == (400, str)
    assert not node.files()
