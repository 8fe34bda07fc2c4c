"""Access tokens: 256 random bits, of which the database knows the SHA-256. docs/decisions/0024 says why no JWT."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ainode_fhir.smart.scope import Scopes
from ainode_fhir.smart.tables import assertion_table, token_table

LIFETIME_S = 300
"""Seconds that a token lives (SMART App Launch: SHOULD NOT exceed 300)."""
_MOST_KNOWN = 1000
_REMEMBERED_S = 3600
"""Seconds that a dead token is still known, so that it is refused as expired."""


@dataclass(frozen=True)
class AccessToken:
    """What is known of a token; times are seconds since 1970-01-01 UTC."""

    client: str
    scope: str
    issued_at: int
    expires_at: int

    @property
    def scopes(self) -> Scopes:
        """What it is good for."""
        return Scopes.parse(self.scope)


class TokenStore:
    """Tokens and used assertions in SQL; the caller owns the engine and creates ``tables.metadata`` in it."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds since 1970-01-01 UTC."""
        self._engine = engine
        self._clock = clock
        self._known: dict[str, AccessToken] = {}

    def issue(self, client: str, scopes: Scopes) -> str:
        """A new token, which is told once."""
        token = secrets.token_urlsafe(32)
        now = int(self._clock())
        row = {"client": client, "scope": str(scopes), "issued_at": now, "expires_at": now + LIFETIME_S}
        with self._engine.begin() as connection:
            connection.execute(delete(token_table).where(token_table.c.expires_at < now - _REMEMBERED_S))
            connection.execute(insert(token_table).values(sha256=_hash(token), **row))
        return token

    def find(self, token: str) -> AccessToken | None:
        """The token, which may be dead; None when there is, or was lately, no such token."""
        digest = _hash(token)
        found = self._known.get(digest) or self._read(digest)
        if found:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[digest] = found  # a token never changes: to ask the database each time would be idle
        return found

    def remembered(self, token: str) -> AccessToken | None:
        """The same without asking the database: None also for one that was not asked for before."""
        return self._known.get(_hash(token))

    def _read(self, digest: str) -> AccessToken | None:
        columns = [token_table.c[name] for name in AccessToken.__dataclass_fields__]
        with self._engine.connect() as connection:
            row = connection.execute(select(*columns).where(token_table.c.sha256 == digest)).mappings().first()
        return AccessToken(**row) if row else None

    def is_live(self, token: AccessToken) -> bool:
        """Whether its time is not over."""
        return self._clock() < token.expires_at

    def use_assertion(self, client: str, jti: str, expires_at: int) -> bool:
        """Note an assertion as used; False when it was already."""
        now = int(self._clock())
        row = {"client": client, "jti_sha256": _hash(jti), "expires_at": expires_at}
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(assertion_table).where(assertion_table.c.expires_at < now - LIFETIME_S))
                connection.execute(insert(assertion_table).values(row))
        except IntegrityError:
            return False
        return True


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
