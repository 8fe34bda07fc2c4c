"""DICOM TLS against dcmtk's programs and OpenSSL's own client."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from httpx import HTTPStatusError
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import EventHandlerType
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # the names are made at import

from ainode.receive.tls import TlsFiles
from ainode_models.errors import SettingsError
from peers import dcmtk
from peers.certificates import Authority, Certificate
from peers.orthanc import OrthancServer
from peers.receiver import LOOPBACK, OPTIONS, Receiver, data_set_of, receiver, uid_of
from peers.tiny_series import write_series


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Certificate:
    return authority.issue("node")


@pytest.fixture(scope="module")
def scu(authority: Authority) -> Certificate:
    return authority.issue("scu")


@pytest.fixture
def node(tmp_path: Path, authority: Authority, own: Certificate) -> Iterator[Receiver]:
    """Asks its callers for certificates."""
    with listening(tmp_path / "node", TlsFiles(own.certificate, own.key, authority.file)) as running:
        yield running


def listening(folder: Path, files: TlsFiles) -> AbstractContextManager[Receiver]:
    return receiver(folder, options=replace(OPTIONS, tls=files))


def with_certificate(mine: Certificate, authority: Authority, *more: str) -> tuple[str, ...]:
    return ("+tls", str(mine.key), str(mine.certificate), "+cf", str(authority.file), *more)


@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195", "--profile-bcp195-ex"])
def test_storescu_sends_over_tls_in_every_profile_that_is_not_retired(
    node: Receiver, tmp_path: Path, authority: Authority, scu: Certificate, profile: str
) -> None:
    paths = write_series(tmp_path / "series", images=20, rows=300)
    options = with_certificate(scu, authority, profile)
    dcmtk.storescu(paths, LOOPBACK, node.listener.tls_port, calling="SCU", options=options)
    kept = {row.sop_instance_uid: node.spool.path_of(row.path) for row in node.rows()}
    assert {uid: data_set_of(path) for uid, path in kept.items()} == {uid_of(path): data_set_of(path) for path in paths}


def test_orthanc_sends_over_tls(node: Receiver, tmp_path: Path, authority: Authority, scu: Certificate) -> None:
    paths = write_series(tmp_path / "series", images=3)
    overrides = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(scu.certificate),
        "DicomTlsPrivateKey": str(scu.key),
        "DicomTlsTrustedCertificates": str(authority.file),
        "DicomModalities": {
            "node": {"AET": "AINODE", "Host": LOOPBACK, "Port": node.listener.tls_port, "UseDicomTls": True},
            "plain": {"AET": "AINODE", "Host": LOOPBACK, "Port": node.listener.tls_port},
        },
    }
    with OrthancServer(tmp_path / "orthanc", ae_title="SCU", overrides=overrides) as orthanc:
        ids = [orthanc.upload(path) for path in paths]
        with pytest.raises(HTTPStatusError):
            orthanc.rest("POST", "/modalities/plain/store", json=ids)
        orthanc.rest("POST", "/modalities/node/store", json=ids)
    kept = {row.sop_instance_uid: node.spool.path_of(row.path) for row in node.rows()}
    assert {uid: data_set_of(path) for uid, path in kept.items()} == {uid_of(path): data_set_of(path) for path in paths}


def test_a_caller_that_shows_no_certificate_or_one_of_a_stranger_is_turned_away(
    node: Receiver, tmp_path: Path, authority: Authority, scu: Certificate
) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    stranger = Authority(tmp_path / "stranger").issue("stranger")
    anonymous = ("+tla", "+cf", str(authority.file))
    for options in (anonymous, with_certificate(stranger, authority), ()):
        done = dcmtk.storescu(path, LOOPBACK, node.listener.tls_port, calling="SCU", options=options, check=False)
        assert done.returncode != 0, options
    assert node.rows() == []
    dcmtk.storescu(path, LOOPBACK, node.port, calling="SCU")
    dcmtk.storescu(path, LOOPBACK, node.listener.tls_port, calling="SCU", options=with_certificate(scu, authority))
    assert len(node.rows()) == 1


def test_the_allow_list_counts_on_both_ports(node: Receiver, authority: Authority, scu: Certificate) -> None:
    for title, known in (("SCU", True), ("STRANGER", False)):
        entity = AE(title)
        entity.add_requested_context(Verification)
        assoc = entity.associate(LOOPBACK, node.listener.tls_port, tls_args=client(authority, scu))
        assert (assoc.is_established, assoc.is_rejected) == (known, not known)
        if known:
            assert assoc.send_c_echo().Status == 0
            assoc.release()


def client(authority: Authority, mine: Certificate) -> tuple[ssl.SSLContext, str]:
    """What pynetdicom needs to call over TLS."""
    context = ssl.create_default_context(cafile=authority.file)
    context.load_cert_chain(mine.certificate, mine.key)
    return context, LOOPBACK


def whole_message(path: Path) -> bytes:
    """A C-STORE in one piece: command and data set, each in a PDU of its own, for presentation context 1."""
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, uid_of(path)
    request.DataSet = BytesIO(data_set_of(path))
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    pdus = []
    for primitive in message.encode_msg(1, 16_384):
        pdu = P_DATA_TF()
        pdu.from_primitive(primitive)
        pdus.append(pdu.encode())
    return b"".join(pdus)


def test_pdus_that_come_in_one_tls_record_are_all_read(
    node: Receiver, tmp_path: Path, authority: Authority, scu: Certificate
) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    entity = AE("SCU")
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    assoc = entity.associate(LOOPBACK, node.listener.tls_port, tls_args=client(authority, scu))
    assoc._reactor_checkpoint.clear()  # else its own thread takes the answer
    while not assoc._is_paused:
        time.sleep(0.001)
    transport = assoc.dul.socket
    assert transport
    assert transport.socket
    transport.socket.sendall(whole_message(path))
    _, answer = assoc.dimse.msg_queue.get(timeout=20)
    assert isinstance(answer, C_STORE)
    assert answer.Status == 0
    assoc._reactor_checkpoint.set()
    assoc.release()
    assert [row.sop_instance_uid for row in node.rows()] == [uid_of(path)]


def hello(port: int, *options: str) -> str:
    """What OpenSSL's client says of the handshake."""
    command = ["openssl", "s_client", "-connect", f"{LOOPBACK}:{port}", *options]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def open_node(tmp_path: Path, own: Certificate) -> Iterator[Receiver]:
    """Asks nobody for a certificate; may be given other files."""
    files = TlsFiles(tmp_path / "tls.pem", tmp_path / "tls.key")
    shutil.copy(own.certificate, tmp_path / "tls.pem")
    shutil.copy(own.key, tmp_path / "tls.key")
    with listening(tmp_path / "node", files) as running:
        yield running


def test_what_bcp_195_calls_weak_is_not_spoken(open_node: Receiver) -> None:
    port = open_node.listener.tls_port
    assert "TLSv1.3" in hello(port, "-tls1_3")
    assert "ECDHE-RSA-AES128-GCM-SHA256" in hello(port, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    for weak in (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384")):
        assert "Cipher is (NONE)" in hello(port, *weak), weak


def test_a_new_certificate_is_used_without_a_restart_and_half_of_a_pair_changes_nothing(
    open_node: Receiver, tmp_path: Path, authority: Authority
) -> None:
    port = open_node.listener.tls_port
    assert "CN = node" in hello(port)
    renewed = authority.issue("renewed")
    shutil.copy(renewed.key, tmp_path / "tls.key")
    assert "CN = node" in hello(port)
    shutil.copy(renewed.certificate, tmp_path / "tls.pem")
    assert "CN = renewed" in hello(port)


def test_a_caller_that_never_shakes_hands_holds_up_nobody(
    node: Receiver, authority: Authority, scu: Certificate
) -> None:
    with socket.create_connection((LOOPBACK, node.listener.tls_port)) as silent:
        silent.sendall(b"\x16\x03\x01")
        entity = AE("SCU")
        entity.add_requested_context(Verification)
        assoc = entity.associate(LOOPBACK, node.listener.tls_port, tls_args=client(authority, scu))
        assert assoc.send_c_echo().Status == 0
        assoc.release()


def test_a_stop_ends_what_is_open_over_tls(tmp_path: Path, authority: Authority, own: Certificate) -> None:
    files = TlsFiles(own.certificate, own.key)
    ended = threading.Event()
    with listening(tmp_path / "node", files) as node:
        entity = AE("SCU")
        entity.add_requested_context(Verification)
        context = ssl.create_default_context(cafile=authority.file)
        handlers: list[EventHandlerType] = [(evt.EVT_ABORTED, lambda _event: ended.set())]
        assoc = entity.associate(LOOPBACK, node.listener.tls_port, tls_args=(context, LOOPBACK), evt_handlers=handlers)
        assert assoc.is_established
    assert ended.wait(30)


def test_files_that_are_no_pair_are_refused_at_the_start(tmp_path: Path, own: Certificate, scu: Certificate) -> None:
    for files in (TlsFiles(own.certificate, scu.key), TlsFiles(tmp_path / "none.pem")):
        with (
            pytest.raises(SettingsError, match="TLS cannot be set up from"),
            listening(tmp_path / files.certificate.stem, files),
        ):
            pass
