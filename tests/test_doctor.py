"""``ainode doctor`` beside a healthy site, and beside sites that are broken in all the ways that it knows."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ainode.doctor.certificates import check_certificates
from ainode.doctor.examination import examine
from ainode.doctor.finding import Finding, Result
from ainode.journal.database import open_database
from ainode.settings import Dicomweb, Fhir, Settings, Web, load_settings
from peers.certificates import Authority
from peers.dcmtk import StoreScp
from peers.disk import small_disk
from peers.fhir_receiver import own_receiver
from peers.node import NodeServer
from peers.orthanc import OrthancServer, free_port
from peers.shared_data import ROOT
from peers.smart_node import RSA, key_set
from peers.tiny_series import write_series
from peers.web import serving

NOBODY = "http://127.0.0.1:9"
_STOW = '[[destination]]\nname = "orthanc"\nkind = "stow"\narchive = "orthanc"\n'
NOW = datetime.now(UTC).timestamp()


def _settings(folder: Path, text: str = "") -> Settings:
    """A site with free ports, sound models and rules, and whatever ``text`` says."""
    file = folder / "ainode.toml"
    rules, models = ROOT / "docker" / "rules.toml", ROOT / "models"
    more = "" if "[rules]" in text else f'[rules]\nfile = "{rules}"\n'
    more += "" if "[models]" in text else f'[models]\nfolder = "{models}"\n'
    more += "" if "[dicom]" in text else f"[dicom]\nport = {free_port()}\n"
    more += "" if "[spool]" in text else "[spool]\nmin_free_bytes = 0\nmin_free_percent = 0\n"
    more += "" if '"orthanc"' in text else f'[[archive]]\nname = "orthanc"\ndicomweb = "{NOBODY}/dicom-web"\n'
    more += (
        "" if "[[destination]]" in text else '[[destination]]\nname = "orthanc"\nkind = "stow"\narchive = "orthanc"\n'
    )
    file.write_text(f"[web]\nport = {free_port()}\n{more}{text}")
    return load_settings(file, {})


def _examined(settings: Settings) -> Mapping[str, Finding]:
    return {each.check: each for each in examine(settings, lambda: NOW)}


def _doctor(settings: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ainode", "doctor", "--settings", str(settings), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_beside_a_healthy_site_nothing_fails_and_no_peer_is_changed(tmp_path: Path) -> None:
    (image,) = write_series(tmp_path / "series", images=1)
    with (
        OrthancServer(tmp_path / "orthanc") as orthanc,
        StoreScp(tmp_path / "scp") as pacs,
        own_receiver(tmp_path) as ehr,
        NodeServer(
            tmp_path / "node",
            orthanc,
            more=f"""
            [[destination]]
            name = "pacs"
            kind = "cstore"
            ae_title = "STORESCP"
            host = "127.0.0.1"
            port = {pacs.port}
            archive = "orthanc"
            [[destination]]
            name = "ehr"
            kind = "fhir"
            url = "{ehr.url}"
            [[dicom.caller]]
            ae_title = "STORESCP"
            address = "127.0.0.1"
            port = {pacs.port}
            """,
        ) as node,
    ):
        orthanc.upload(image)
        before = orthanc.rest("GET", "/statistics")
        found = _examined(node.settings)
        table = _doctor(node.settings_file)
        assert orthanc.rest("GET", "/statistics") == before
        assert pacs.files() == []
    assert table.returncode == 0, table.stdout
    assert {name: each.found for name, each in found.items() if each.result is not Result.OK} == {
        "destination ehr: FHIR": "does not say that it takes transactions"
    }
    assert {
        f"DICOM port {node.dicom_port}, AE AINODE",
        f"HTTP port {node.http_port}",
        "spool",
        "journal",
        "workflows",
        "rules",
        "archive orthanc: DICOMweb",
        "archive orthanc: Orthanc",
        "clock against archive orthanc",
        "destination pacs: C-STORE",
        "caller STORESCP: storage commitment reports",
    } < found.keys()
    assert found[f"HTTP port {node.http_port}"].found == "the node is well"
    assert "not among those that may call" in found[f"DICOM port {node.dicom_port}, AE AINODE"].found
    assert table.stdout.endswith(f"{len(found) + 1} checks, 1 to look at\n")
    assert all(name in table.stdout for name in found)
    assert "Phantom" not in table.stdout


def test_beside_a_broken_site_every_fault_is_named_with_what_to_do(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as occupied,
        OrthancServer(tmp_path / "orthanc", users={"a": "b"}) as orthanc,
    ):
        taken = occupied.getsockname()[1]
        dead = free_port()
        _settings(
            tmp_path,
            f"""
            [rules]
            file = "norules.toml"
            [models]
            folder = "{tmp_path / "models"}"
            [dicom]
            port = {taken}
            acse_timeout = 1
            [[dicom.caller]]
            ae_title = "CT1"
            address = "127.0.0.1"
            port = {dead}
            [[archive]]
            name = "orthanc"
            dicomweb = "{orthanc.dicomweb_url}"
            orthanc = "http://127.0.0.1:{dead}"
            username = "a"
            password = "wrong"
            [[destination]]
            name = "pacs"
            kind = "cstore"
            ae_title = "OLD"
            host = "127.0.0.1"
            port = {dead}
            [[destination]]
            name = "ehr"
            kind = "fhir"
            url = "{orthanc.url}"
            username = "a"
            password = "b"
            """,
        )
        (tmp_path / "models" / "broken").mkdir(parents=True)
        (tmp_path / "models" / "broken" / "model.toml").write_text("name = 1")
        done = _doctor(tmp_path / "ainode.toml", "--json")
    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 1, done.stdout + done.stderr
    said = {name: each["found"] for name, each in found.items() if each["result"] == "failed"}
    assert said.pop(f"DICOM port {taken}, AE AINODE") == "a program listens that does not speak DICOM"
    assert "model.toml" in said.pop("model package")
    assert "norules.toml" in said.pop("rules")
    assert said.pop("archive orthanc: DICOMweb") == "answers 401 to our login"
    assert "Connection refused" in said.pop("archive orthanc: Orthanc")
    assert said.pop("destination pacs: C-STORE") == f"no association with OLD at 127.0.0.1:{dead}"
    assert said.pop("destination pacs: C-FIND") == f"no association with OLD at 127.0.0.1:{dead}"
    assert said.pop("destination ehr: FHIR") == f"{orthanc.url} answers 404"
    assert said.pop("caller CT1: storage commitment reports") == f"no association with CT1 at 127.0.0.1:{dead}"
    assert said == {}
    assert all(each["advice"] for each in found.values() if each["result"] != "ok")
    assert "wrong" not in done.stdout


def test_who_may_read_fhir_is_told_and_the_keys_of_its_clients_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text(key_set(RSA))
    (tmp_path / "patients.txt").write_text("urn:oid:1.2.3|P-1\n")
    client = f"""
        [[fhir.client]]
        id = "file"
        scopes = "system/*.rs"
        jwks = "jwks.json"
        patients_file = "patients.txt"
        [[fhir.client]]
        id = "lost"
        scopes = "system/*.rs"
        jwks = "none.json"
        patients_file = "nowhere.txt"
        [[fhir.client]]
        id = "away"
        scopes = "system/*.rs"
        jwks_url = "{NOBODY}/jwks.json"
        """
    found = _examined(_settings(tmp_path, client))
    assert found["who may read FHIR"].found == "3 clients, 0 keys"
    assert "1 public keys" in found["FHIR client file"].found
    assert "1 patients" in found["FHIR client file: patients"].found
    assert found["FHIR client lost: patients"].result is Result.FAILED
    assert found["FHIR client lost"].result is found["FHIR client away"].result is Result.FAILED
    outside = replace(_settings(tmp_path), web=Web(host="0.0.0.0", port=free_port(), unprotected=True))
    nobody = _examined(replace(outside, dicomweb=Dicomweb(enabled=True)))
    assert nobody["who may read FHIR"].found == "nobody: 0 clients, 0 keys"
    assert nobody["who may use DICOMweb"].result is Result.WARNING
    everybody = _examined(replace(outside, fhir=Fhir(access="open")))["who may read FHIR"]
    assert (everybody.result, everybody.found) == (Result.WARNING, "everybody who reaches 0.0.0.0")


def test_settings_that_cannot_be_read_are_a_finding_too(tmp_path: Path) -> None:
    (tmp_path / "ainode.toml").write_text("[dicom]\nprot = 1\n")
    done = _doctor(tmp_path / "ainode.toml")
    assert done.returncode == 1
    assert "did you mean 'port'?" in done.stdout


def test_ports_that_nobody_holds_are_free_and_those_of_others_are_named(tmp_path: Path) -> None:
    with serving(Starlette(routes=[Route("/health", lambda _request: Response("well"))])) as url:
        port = int(url.rpartition(":")[2])
        settings = _settings(tmp_path, f"[dicom]\nport = {free_port()}\nhost = '0.0.0.0'\n")
        taken = load_settings(tmp_path / "ainode.toml", {"AINODE_WEB_PORT": str(port)})
        found = _examined(taken)
        assert found[f"HTTP port {port}"].found == "a program listens that is not this node"
    found = _examined(settings)
    assert found[f"HTTP port {settings.web.port}"].found == "free: the node does not run"
    assert found["who may send"].result is Result.WARNING


def test_a_folder_without_the_right_to_write_or_room_fails(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size=20_000_000) as disk:
        node = f'[node]\nfolder = "{disk}"\n'
        found = _examined(_settings(tmp_path, f"{node}[spool]\nmin_free_bytes = 30_000_000\nmin_free_percent = 0\n"))
        assert found["free space"].result is Result.FAILED
        assert found["free space"].found == "20 MB free, 30 MB are kept free: new objects are refused"
        assert found["node folder"].result is Result.OK
        assert [*disk.iterdir()] == [], "nothing is left behind"
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        found = _examined(_settings(tmp_path, node))
        assert found["node folder"].result is Result.FAILED
        assert "Read-only file system" in found["node folder"].found


def test_a_journal_that_is_locked_damaged_or_of_another_version_is_seen(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    assert _examined(settings)["journal"].found.endswith("is made at the first start")
    assert not settings.node.folder.exists(), "looking makes nothing"
    settings.node.folder.mkdir()
    file = settings.node.folder / "journal.sqlite"
    engine = open_database(f"sqlite:///{file}")
    assert _examined(settings)["journal"].result is Result.OK
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    assert _examined(settings)["journal"].result is Result.WARNING
    file.write_bytes(b"no database " * 1000)
    assert _examined(settings)["journal"].result is Result.FAILED


@contextmanager
def _archive_whose_clock_is(ahead: timedelta) -> Iterator[str]:
    def answer(_request: Request) -> Response:
        date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
        return JSONResponse([], headers={"Date": date})

    with serving(Starlette(routes=[Route("/{rest:path}", answer)]), date_header=False) as url:
        yield url


@pytest.mark.parametrize(
    ("ahead", "result"), [(0, Result.OK), (3, Result.OK), (30, Result.WARNING), (-30, Result.WARNING)]
)
def test_a_clock_that_is_apart_from_that_of_a_peer_is_told(tmp_path: Path, ahead: int, result: Result) -> None:
    with _archive_whose_clock_is(timedelta(seconds=ahead)) as url:
        found = _examined(_settings(tmp_path, f'[[archive]]\nname = "orthanc"\ndicomweb = "{url}"\n'))
    assert found["archive orthanc: DICOMweb"].result is Result.OK
    assert found["clock against archive orthanc"].result is result


def _tls(folder: Path, certificate: Path, key: Path) -> Settings:
    text = f"[dicom]\nport = {free_port()}\ntls_port = {free_port()}\n"
    return _settings(folder, text + f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n')


def test_a_certificate_is_judged_by_its_key_and_by_how_long_it_is_valid(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certificates")
    one, two = authority.issue("one"), authority.issue("two")
    (soon,) = check_certificates(_tls(tmp_path, one.certificate, one.key), NOW)
    assert soon.result is Result.WARNING
    assert soon.found.endswith("ends in 2 days")
    (good,) = check_certificates(_tls(tmp_path, one.certificate, one.key), NOW - 100 * 86400)
    assert (good.result, good.found) == (Result.OK, "valid for 102 days; callers need none")
    (mixed,) = check_certificates(_tls(tmp_path, one.certificate, two.key), NOW)
    assert mixed.result is Result.FAILED
    expired, key, request = (tmp_path / name for name in ("old.pem", "old.key", "old.csr"))
    asked = ("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=old")
    signed = ("x509", "-req", "-in", request, "-signkey", key, "-days", "-1", "-out", expired)
    for command in (asked, signed):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    (old,) = check_certificates(_tls(tmp_path, expired, key), NOW)
    assert old.result is Result.FAILED
    assert "expired" in old.found


def test_a_running_node_with_tls_is_seen_from_its_port(tmp_path: Path) -> None:
    own = Authority(tmp_path / "certificates").issue("node")
    settings = _tls(tmp_path, own.certificate, own.key)
    with socket.create_server(("127.0.0.1", settings.dicom.tls_port)):
        assert _examined(settings)[f"DICOM TLS port {settings.dicom.tls_port}"].found == "a program listens"
    assert os.environ.get("AINODE_SETTINGS") is None
