"""STOW-RS: what peers store is safe and unchanged, and each object gets its own answer."""

import errno
import os
import socket
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.uid import UID
from starlette.routing import Mount, Route

from ainode.app import App
from ainode.receive.header import read_header
from ainode.receive.spool import Spool
from ainode.settings import Dicomweb, Node, Settings
from ainode.web.server import build_app
from ainode_models.errors import InstanceError
from ainode_orthanc.dicomweb import DicomWebClient
from ainode_orthanc.multipart import FileParts
from peers.dicomweb_node import DicomWebNode, dicomweb_node
from peers.node import NodeServer
from peers.orthanc import OrthancServer
from peers.shared_data import shared_data
from peers.tiny_series import write_series

JSON = "application/dicom+json"
FAILED, STORED, OTHERS = "00081198", "00081199", "0008119A"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[DicomWebNode]:
    with dicomweb_node(tmp_path / "node") as node:
        yield node


def post(node: DicomWebNode, *paths: Path, study: str = "", **headers: str) -> httpx.Response:
    body = FileParts(paths)
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    where = f"{node.url}/studies{'/' + study if study else ''}"
    return node.http.post(where, content=body, headers=body.headers | named)


def reasons(answer: httpx.Response, sequence: str = FAILED) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.json().get(sequence, {"Value": []})["Value"]]


def test_every_transfer_syntax_is_stored_and_comes_back_byte_for_byte(node: DicomWebNode) -> None:
    files: dict[tuple[str, str, str], Path] = {}
    for path in sorted(shared_data("transfer-syntaxes").glob("*.dcm")):
        with suppress(InstanceError):  # some have no UIDs
            header = read_header(path)
            files.setdefault((header.study_uid, header.series_uid, header.sop_instance_uid), path)
    assert len(files) > 40
    with DicomWebClient(node.url) as client:
        answer = client.store(list(files.values()))
        refused = {item.sop_instance_uid for item in answer.failed}
        assert refused == set()
        node.index()
        assert not node.refusals()
        for (study, series, instance), path in files.items():
            back = [b"".join(part) for part in client.retrieve_instance(study, series, sop_instance_uid=instance)]
            assert back == [path.read_bytes()], path.name


def test_orthanc_sends_a_study_and_asks_for_it_again(tmp_path: Path) -> None:
    head = sorted(shared_data("mr-head").rglob("*.dcm"))[:12]
    with dicomweb_node(tmp_path / "node") as node:
        servers = {"DicomWeb": {"Enable": True, "Servers": {"node": [f"{node.url}/"]}}}
        with OrthancServer(tmp_path / "orthanc", overrides=servers) as orthanc:
            for path in head:
                orthanc.upload(path)
            sent = {uid: orthanc.file_of(uid) for uid in orthanc.instances()}
            (study,) = orthanc.rest("GET", "/studies")
            uid = orthanc.rest("GET", f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
            orthanc.rest("POST", "/dicom-web/servers/node/stow", json={"Resources": [study], "Synchronous": True})
            node.index()
            assert not node.refusals()
            assert sorted(file.read_bytes() for file in node.files()) == sorted(sent.values())
            orthanc.rest("DELETE", f"/studies/{study}")
            orthanc.rest("POST", "/dicom-web/servers/node/retrieve", json={"Resources": [{"Study": uid}]})
            assert {uid: orthanc.file_of(uid) for uid in orthanc.instances()} == sent


def test_dicomweb_client_stores_and_reads_the_answer(node: DicomWebNode, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", images=3)
    client = DICOMwebClient(node.url)
    answer = client.store_instances([dcmread(path) for path in paths])
    assert [str(item.ReferencedSOPInstanceUID) for item in answer.ReferencedSOPSequence] == [
        str(dcmread(path).SOPInstanceUID) for path in paths
    ]
    assert "FailedSOPSequence" not in answer
    node.index()
    assert all(str(item.RetrieveURL).startswith(f"{node.url}/studies/") for item in answer.ReferencedSOPSequence)
    assert httpx.get(str(answer.ReferencedSOPSequence[0].RetrieveURL), trust_env=False).status_code == 200


def test_the_same_bytes_twice_are_one_object(node: DicomWebNode, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", images=2)
    assert [post(node, *paths).status_code for _ in range(2)] == [200, 200]
    node.index()
    assert len(node.files()) == 2
    assert len(node.search("/instances")) == 2


def test_each_object_gets_its_own_answer(node: DicomWebNode, tmp_path: Path) -> None:
    good, cut, strange = write_series(tmp_path / "in", images=3)
    cut.write_bytes(cut.read_bytes()[:-100])
    ds = dcmread(strange)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.1.1")
    ds.save_as(strange)
    text = tmp_path / "text.dcm"
    text.write_text("no DICOM")
    answer = post(node, good, cut, strange, text)
    assert answer.status_code == 202
    assert answer.headers["content-type"] == JSON
    assert len(answer.json()[STORED]["Value"]) == 1
    assert reasons(answer) == [0x0122]
    assert reasons(answer, OTHERS) == [0xC000, 0xC000]
    assert len(node.files()) == 1
    none = post(node, cut, text)
    assert none.status_code == 409
    assert STORED not in none.json()


def test_objects_of_another_study_than_the_address_names_fail(node: DicomWebNode, tmp_path: Path) -> None:
    mine = write_series(tmp_path / "mine", images=1)
    other = write_series(tmp_path / "other", images=1, seed="2")
    study = str(dcmread(mine[0]).StudyInstanceUID)
    answer = post(node, *mine, *other, study=study)
    assert (answer.status_code, reasons(answer)) == (202, [0x0110])
    assert answer.json()["00081190"]["Value"] == [f"{node.url}/studies/{study}"]
    assert post(node, *other, study=study).status_code == 409


def test_what_is_no_store_request_is_refused_with_its_status(node: DicomWebNode, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "in", images=1)
    xml = 'multipart/related; type="application/dicom+xml"; boundary=b'
    assert post(node, path, content_type=xml).status_code == 415
    assert post(node, path, content_type="application/dicom").status_code == 415
    assert post(node, path, content_type='multipart/related; type="application/dicom"').status_code == 400
    assert post(node, path, content_type="multipart/related; boundary=other").status_code == 400
    assert post(node, path, accept="application/dicom+xml").status_code == 406
    assert post(node, path, study="1.2..3").status_code == 400
    empty = httpx.post(
        f"{node.url}/studies", content=b"--b--", headers={"content-type": "multipart/related; boundary=b"}
    )
    assert empty.status_code == 400
    assert not node.files()


def test_a_full_disk_is_507_and_a_reason_that_says_try_later(tmp_path: Path) -> None:
    class FullSpool(Spool):
        def admit(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (path,) = write_series(tmp_path / "in", images=1)
    with dicomweb_node(tmp_path / "node", spool=FullSpool) as node:
        answer = post(node, path)
        assert (answer.status_code, reasons(answer, OTHERS)) == (507, [0xA700])
        assert not node.files()


def test_an_object_over_the_limit_fails_and_the_next_one_is_stored(tmp_path: Path) -> None:
    (large,) = write_series(tmp_path / "large", images=1, rows=512)
    (small,) = write_series(tmp_path / "small", images=1, seed="2")
    limits = Dicomweb(enabled=True, max_object=100_000)
    with dicomweb_node(tmp_path / "node", limits=limits) as node:
        answer = post(node, large, small)
        assert (answer.status_code, reasons(answer, OTHERS)) == (202, [0xC000])
        assert [path.read_bytes() for path in node.files()] == [small.read_bytes()]


def test_a_connection_cut_in_the_second_object_keeps_the_first_and_nothing_of_the_second(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", images=2, rows=256)
    with dicomweb_node(tmp_path / "node") as node:
        body = FileParts(tuple(paths))
        content = b"".join(body)
        host, port = node.root.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as peer:
            head = "".join(f"{name}: {value}\r\n" for name, value in body.headers.items())
            peer.sendall(f"POST /dicom-web/studies HTTP/1.1\r\nHost: {host}\r\n{head}\r\n".encode())
            peer.sendall(content[:-5_000])
        for _ in range(3000):
            if len(node.files()) == 1 and node.journal.to_index():
                break
            time.sleep(0.02)
        assert [path.read_bytes() for path in node.files()] == [paths[0].read_bytes()]
        assert [row.source for row in node.journal.to_index()] == ["STOW-RS 127.0.0.1"]


def test_a_silent_sender_is_given_up_and_holds_up_no_other(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "in", images=1)
    limits = Dicomweb(enabled=True, max_stores=1, silence=5)
    with dicomweb_node(tmp_path / "node", limits=limits) as node:
        host, port = node.root.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as peer:
            head = "Host: h\r\nContent-Type: multipart/related; boundary=b\r\nContent-Length: 9\r\nExpect: 100-continue"
            peer.sendall(f"POST /dicom-web/studies HTTP/1.1\r\n{head}\r\n\r\n".encode())
            assert peer.recv(100).startswith(b"HTTP/1.1 100 ")  # its body is being read: it has the only place
            busy = post(node, path)
            assert (busy.status_code, bool(busy.headers["retry-after"])) == (503, True)
            assert httpx.get(f"{node.root}/health", trust_env=False).status_code == 200
            assert peer.recv(100).startswith(b"HTTP/1.1 408 ")
        assert post(node, path).status_code == 200


def test_a_large_object_is_not_held_in_memory(node: DicomWebNode, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "in", images=1, rows=4096)
    size = path.stat().st_size
    ds = dcmread(path, stop_before_pixels=True)
    study, series, instance = ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID
    tracemalloc.start()
    try:
        node.store(path)
        with DicomWebClient(node.url) as client:
            for part in client.retrieve_instance(study, series, sop_instance_uid=instance):
                assert sum(len(piece) for piece in part) == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 32 << 20
    assert peak < 8 << 20


def test_nothing_of_it_is_served_unless_it_is_enabled(tmp_path: Path) -> None:
    app = build_app(health=dict, fhir=[], more=App(Settings(node=Node(folder=tmp_path / "node")))._dicomweb(None))  # type: ignore[arg-type]
    assert [route.path for route in app.routes if isinstance(route, Route | Mount)] == ["/health", "/metrics", "/fhir"]


def test_a_node_takes_in_and_finds_what_a_peer_stores(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", images=2)
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        NodeServer(tmp_path / "on", orthanc, more="[dicomweb]\nenabled = true\n") as node,
    ):
        with DicomWebClient(f"{node.url}/dicom-web") as client:
            assert client.store(paths).complete
            node.wait(lambda: list(client.search_studies({"PatientID": "tiny-1"})), "the study", seconds=30)
            (study,) = client.search_studies({"PatientID": "tiny-1"})
            assert study.NumberOfStudyRelatedInstances == 2
            assert study.RetrieveURL == f"{node.url}/dicom-web/studies/{study.StudyInstanceUID}"
        assert {row.source for row in node.look(lambda book: book.instances.of_study(study.StudyInstanceUID))} == {
            "STOW-RS 127.0.0.1"
        }
        for line in node.log.read_text().splitlines():
            assert "tiny" not in line.lower()
