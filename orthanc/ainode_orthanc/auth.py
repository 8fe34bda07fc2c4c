"""How the node proves itself to an archive, and how it checks that the archive is the right one."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import httpx

from ainode_models.errors import SettingsError


class ClientArguments(TypedDict):
    """Keyword arguments that ``httpx.Client`` and ``httpx.AsyncClient`` both take."""

    auth: httpx.Auth | None
    headers: dict[str, str]
    verify: ssl.SSLContext | bool
    trust_env: bool


@dataclass(frozen=True)
class Credentials:
    """Basic or bearer authentication, mutual TLS, or nothing; secrets do not show in ``repr``."""

    user: str | None = None
    """User name of HTTP basic authentication (RFC 7617)."""
    password: str | None = field(default=None, repr=False)
    """Password that goes with ``user``."""
    token: str | None = field(default=None, repr=False)
    """Bearer token (RFC 6750), instead of ``user`` and ``password``."""
    certificate: Path | None = None
    """Client certificate for mutual TLS, PEM."""
    key: Path | None = None
    """Private key of ``certificate``, PEM; None when both are in one file."""
    key_password: str | None = field(default=None, repr=False)
    """Passphrase of ``key``."""
    authority: Path | None = None
    """Certificates that sign the archive's, PEM; None trusts what the system trusts."""

    def __post_init__(self) -> None:
        if (self.user is None) != (self.password is None):
            raise SettingsError("basic authentication needs both a user and a password")
        if self.user is not None and self.token is not None:
            raise SettingsError("give either a user and password or a bearer token, not both")
        if self.key is not None and self.certificate is None:
            raise SettingsError("a private key needs its client certificate")

    def client_arguments(self) -> ClientArguments:
        """Arguments for an httpx client; SettingsError when a certificate cannot be read.

        Proxies and ``.netrc`` of the environment are left out: patient data goes where the settings say.
        """
        return ClientArguments(
            auth=httpx.BasicAuth(self.user, self.password or "") if self.user is not None else None,
            headers={} if self.token is None else {"Authorization": f"Bearer {self.token}"},
            verify=self.tls(),
            trust_env=False,
        )

    def tls(self) -> ssl.SSLContext:
        """What a TLS client needs; SettingsError when a certificate cannot be read."""
        try:
            context = ssl.create_default_context(cafile=self.authority)
            if self.certificate is not None:
                # Without a passphrase an encrypted key must fail, not ask on the terminal.
                context.load_cert_chain(self.certificate, self.key, password=self.key_password or "")
        except (OSError, ssl.SSLError) as exc:
            files = ", ".join(str(path) for path in (self.authority, self.certificate, self.key) if path)
            raise SettingsError(f"a certificate or key cannot be used ({exc}); check {files}") from exc
        return context
