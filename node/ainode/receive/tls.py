"""DICOM TLS: the BCP 195 profile (PS3.15 B.12, RFC 9325), with certificates that are read anew when they change."""

import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from ainode_models.errors import SettingsError

_log = structlog.get_logger()

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"
"""For TLS 1.2: forward secrecy and authenticated encryption (RFC 9325 4.2). TLS 1.3 has no others."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files."""

    certificate: Path
    """Ours, with the intermediate ones."""
    key: Path | None = None
    """Key of the certificate, without passphrase; None when ``certificate`` holds it too."""
    authorities: Path | None = None
    """Who must have signed the certificates of our peers; None to ask for none."""


class TlsContext:
    """Wraps accepted connections; a connection that is open keeps what it began with."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._context = _context(files)

    def wrap(self, connection: socket.socket) -> ssl.SSLSocket:
        """Ready for the handshake, which the first read does: no peer holds up others by being slow in it."""
        return self.current().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def current(self) -> ssl.SSLContext:
        """The context of the files as they are now."""
        with self._lock:
            self._renew()
            return self._context

    def _renew(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._context = _context(self._files)
        except SettingsError as exc:  # half of a new pair: the other half follows
            _log.error("certificate not read", reason=str(exc))
        else:
            _log.info("certificate read", file=str(self._files.certificate))

    def _stamp(self) -> tuple[object, ...]:
        """Changes with the files; a file that is not there is one state of it."""
        return tuple(_stamp(path) for path in (self._files.certificate, self._files.key, self._files.authorities))


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None


def _context(files: TlsFiles) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files.authorities)
        # An empty passphrase instead of a question on the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except OSError as exc:  # SSLError is one
        names = ", ".join(str(path) for path in (files.certificate, files.key, files.authorities) if path)
        raise SettingsError(
            f"TLS cannot be set up from {names}: {exc.strerror}; give PEM files of one pair, the key without passphrase"
        ) from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    if files.authorities:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
