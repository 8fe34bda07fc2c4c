"""Values that are used but never shown."""

from dataclasses import dataclass

from sqlalchemy import make_url

HIDDEN = "***"


@dataclass(frozen=True)
class Secret:
    """A password, token or passphrase; ``str`` and ``repr`` give ``***``."""

    _value: str = ""

    def reveal(self) -> str:
        """The secret itself; empty when none is set."""
        return self._value

    def shown(self) -> str:
        """What people may see: ``***``, or nothing when none is set."""
        return HIDDEN if self._value else ""

    def __bool__(self) -> bool:
        """Whether a secret is set."""
        return bool(self._value)

    def __str__(self) -> str:
        return self.shown()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown()!r})"


@dataclass(frozen=True, repr=False)
class DatabaseUrl(Secret):
    """An SQLAlchemy database URL; its password, and its query, which can carry one, are not shown."""

    def shown(self) -> str:
        """The URL with ``***`` for the password and for the query."""
        if not self._value:
            return ""
        url = make_url(self._value)
        shown = url.set(query={}).render_as_string(hide_password=True)
        return f"{shown}?{HIDDEN}" if url.query else shown


NO_SECRET = Secret()
NO_DATABASE_URL = DatabaseUrl()
