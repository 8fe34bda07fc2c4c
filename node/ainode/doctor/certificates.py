"""Certificates of the DICOM port with TLS: one pair, and valid for some time."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from ainode.doctor.finding import Finding, failed, ok, warning
from ainode.receive.tls import TlsContext, TlsFiles
from ainode.settings import Settings
from ainode_models.errors import SettingsError

_SOON_DAYS = 30
_DAY_S = 86400.0


def check_certificates(settings: Settings, now: float) -> Iterator[Finding]:
    """Nothing when TLS is off."""
    dicom = settings.dicom
    if dicom.tls_certificate:
        yield _pair("DICOM TLS certificate", dicom.tls_certificate, dicom.tls_key, dicom.tls_ca, now)


def _pair(check: str, certificate: Path, key: Path | None, authorities: Path | None, now: float) -> Finding:
    renew = "put a renewed certificate and its key in place; the node takes them without a restart"
    try:
        TlsContext(TlsFiles(certificate, key, authorities))
        left = (_valid_until(certificate, key) - now) / _DAY_S
    except SettingsError as exc:
        return failed(check, str(exc), "give PEM files of one pair")
    except ssl.SSLCertVerificationError as exc:
        return failed(check, f"{certificate}: {exc.verify_message}", renew)
    if left < _SOON_DAYS:
        return warning(check, f"{certificate} ends in {left:.0f} days", renew)
    return ok(check, f"valid for {left:.0f} days" + ("" if authorities else "; callers need none"))


def _valid_until(certificate: Path, key: Path | None) -> float:
    """End of validity, seconds since 1970; SSLCertVerificationError when it is not valid now.

    Python reads the dates of a certificate only in a handshake: one in memory, in which it is trusted for itself.
    """
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key, password="")
    client = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=certificate)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there)
    theirs = server.wrap_bio(there, back, server_side=True)
    for side in (ours, theirs, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return float(ssl.cert_time_to_seconds(str((ours.getpeercert() or {})["notAfter"])))
