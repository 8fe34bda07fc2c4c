"""The viewer's server in front of the real Orthanc."""

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread

from ainode_models.errors import ConfigError
from ainode_orthanc.auth import Credentials
from ainode_orthanc.dicomweb import DicomWebClient
from ainode_orthanc.viewer import viewer_app
from peers.orthanc import OrthancServer
from peers.tiny_series import write_series
from peers.web import serving


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path / "orthanc", users={"viewer": "secret"}) as server:
        yield server


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>the viewer</title>")
    (folder / "assets" / "app.js").write_text("start()")
    (folder / "app-config.js").write_text("window.config = 'what the package ships'")
    (tmp_path / "secret.txt").write_text("outside")
    return folder


@pytest.fixture
def viewer(dist: Path, orthanc: OrthancServer) -> Iterator[str]:
    with serving(viewer_app(dist, orthanc.dicomweb_url, Credentials("viewer", "secret"))) as address:
        yield address


def test_pages_files_and_settings_come_from_one_origin(viewer: str) -> None:
    for page in ("/", "/index.html", "/segmentation?StudyInstanceUIDs=1.2.3"):
        assert "the viewer" in httpx.get(viewer + page).text
    script = httpx.get(viewer + "/assets/app.js")
    assert (script.text, "javascript" in script.headers["Content-Type"]) == ("start()", True)
    assert "/dicom-web" in httpx.get(viewer + "/app-config.js").text
    assert httpx.get(viewer + "/assets/missing.js").status_code == 404


def test_the_archive_answers_through_the_viewer_and_its_links_stay_there(
    viewer: str, orthanc: OrthancServer, tmp_path: Path
) -> None:
    paths = write_series(tmp_path / "sent", images=3)
    for path in paths:
        orthanc.upload(path)
    image = dcmread(paths[0])
    with DicomWebClient(f"{viewer}/dicom-web") as client:  # Without a password: the viewer has it.
        (series,) = client.search_series(image.StudyInstanceUID)
        assert str(series.RetrieveURL).startswith(f"{viewer}/dicom-web/")
        assert len(list(client.search_studies({"PatientID": "nobody"}))) == 0
        received = {b"".join(part) for part in client.retrieve_series(image.StudyInstanceUID, series.SeriesInstanceUID)}
    assert received == {path.read_bytes() for path in paths}


def test_no_path_leaves_the_folder_or_the_service(viewer: str) -> None:
    for path in (
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/dicom-web/../system",
        "/dicom-web/%2e%2e/system",
        "/dicom-web/studies/..%2f..%2fsystem",
    ):
        connection = HTTPConnection(str(httpx.URL(viewer).netloc, "ascii"))  # httpx would tidy the path up first.
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 404, path
        assert b"outside" not in body
        assert b"DicomAet" not in body


def test_the_viewer_only_reads_and_says_when_the_archive_is_away(viewer: str, orthanc: OrthancServer) -> None:
    assert httpx.post(f"{viewer}/dicom-web/studies", content=b"x").status_code == 405
    assert httpx.get(f"{viewer}/dicom-web/studies/1.2.3/series/1.2").status_code == 404
    orthanc.kill()
    answer = httpx.get(f"{viewer}/dicom-web/studies")
    assert (answer.status_code, "does not answer" in answer.text) == (502, True)


def test_a_viewer_that_is_not_there_is_missed_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scripts/ohif"):
        viewer_app(tmp_path, "http://127.0.0.1:8042/dicom-web")
