"""Credentials: what they send, what they refuse, and that they keep their secrets."""

import subprocess
from pathlib import Path

import httpx
import pytest

from ainode_models.errors import PeerUnreachable, SettingsError
from ainode_orthanc.auth import Credentials
from ainode_orthanc.dicomweb import DicomWebClient
from ainode_orthanc.viewer import viewer_app
from peers.orthanc import OrthancServer
from peers.tiny_series import write_series
from peers.web import serving


def test_secrets_are_sent_but_never_shown() -> None:
    basic = Credentials("node", "s3cret")
    bearer = Credentials(token="t0ken")
    with httpx.Client(**bearer.client_arguments()) as client:
        assert client.build_request("GET", "http://archive").headers["Authorization"] == "Bearer t0ken"
    shown = repr(basic) + str(basic) + repr(bearer)
    assert "s3cret" not in shown
    assert "t0ken" not in shown
    assert "node" in shown


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"user": "node"}, "both a user and a password"),
        ({"password": "s3cret"}, "both a user and a password"),
        ({"user": "node", "password": "s3cret", "token": "t0ken"}, "not both"),
        ({"key": Path("key.pem")}, "needs its client certificate"),
    ],
)
def test_half_credentials_are_refused(fields: dict[str, str | Path], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refusal:
        Credentials(**fields)  # type: ignore[arg-type]  # a table of wrong ones
    assert "s3cret" not in str(refusal.value)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    for credentials in (Credentials(authority=rubbish), Credentials(certificate=rubbish)):
        with pytest.raises(SettingsError, match=r"rubbish\.pem"):
            credentials.client_arguments()
    with pytest.raises(SettingsError, match=r"missing\.pem"):
        Credentials(authority=tmp_path / "missing.pem").client_arguments()


def test_mutual_tls_lets_in_only_who_holds_the_certificate(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    (tmp_path / "index.html").touch()
    known = Credentials(certificate=certificate, key=key, authority=certificate)
    strangers = (Credentials(authority=certificate), Credentials(certificate=certificate, key=key))
    with OrthancServer(tmp_path / "orthanc") as orthanc:
        orthanc.upload(*write_series(tmp_path / "sent", images=1))
        # Debian's Orthanc crashes when it speaks TLS itself; sites put a proxy in front, and so does this test.
        proxy = viewer_app(tmp_path, orthanc.dicomweb_url)
        tls = {"ssl_certfile": certificate, "ssl_keyfile": key, "ssl_ca_certs": str(certificate), "ssl_cert_reqs": 2}
        with serving(proxy, **tls) as address:
            with DicomWebClient(f"{address}/dicom-web", known) as client:
                assert len(list(client.search_studies())) == 1
            for stranger in strangers:
                with DicomWebClient(f"{address}/dicom-web", stranger) as client, pytest.raises(PeerUnreachable):
                    list(client.search_studies())


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
