"""System scopes of SMART App Launch (https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ainode_models.errors import ConfigError

AUDIT = "AuditEvent"
"""The type that ``*`` does not hold here: who may read all reports need not know who else did."""
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|c?r?u?d?s?)")
_SERVED = frozenset("rs")
_WRITTEN = "Subscription"
"""The one type that callers write; leave for that is granted by name, and not by ``*``."""
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True)
class Scope:
    """Leave to read or search one resource type, or all."""

    kind: str
    """Resource type, or ``*`` for every one but AuditEvent."""
    permissions: frozenset[str]
    """``r`` (read, vread, history of one resource) and ``s`` (search, history of a type); of Subscription ``c``, ``u``
    and ``d``, too."""
    text: str
    """As it is written in requests and answers."""

    def allows(self, kind: str, permission: str) -> bool:
        """Whether it holds an interaction with a resource type; ``*`` asks for all types."""
        return permission in self.permissions and _holds(self.kind, kind)


@dataclass(frozen=True)
class Scopes:
    """What a caller may do."""

    items: tuple[Scope, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Scopes":
        """Scopes parted by blanks (RFC 6749 3.3), v2 syntax or v1; those that this server has no use for are left out.

        Left out, too, are scopes with search parameters behind a question mark: to grant them without would be more
        than was asked for.
        """
        found = (_scope(word) for word in text.split())
        return cls(tuple(scope for scope in found if scope))

    def allows(self, kind: str, permission: str) -> bool:
        """Whether any of them holds the interaction."""
        return any(scope.allows(kind, permission) for scope in self.items)

    def granted(self, allowed: "Scopes") -> "Scopes":
        """Those of these, or the parts of them, that ``allowed`` holds."""
        found = (part for wanted in self.items for part in _parts(wanted, allowed.items))
        return Scopes(tuple({scope.text: scope for scope in found}.values()))

    def __str__(self) -> str:
        return " ".join(scope.text for scope in self.items)


def checked_scopes(text: str) -> Scopes:
    """The scopes of a client or key, as somebody wrote them; ConfigError on any that would be left out."""
    for word in text.split():
        if _scope(word) is None:
            raise ConfigError(
                f"{word!r} is no scope of this server; allowed: system/TYPE.rs, .r or .s, and * for TYPE, which is "
                f"every type but {AUDIT}; .cruds for {_WRITTEN}"
            )
    if not text.split():
        raise ConfigError("there is no scope; for example system/*.rs")
    return Scopes.parse(text)


def _scope(word: str) -> Scope | None:
    match = _SCOPE.fullmatch(word)
    if not match:
        return None
    asked = set(_VERSION_1.get(match[2], match[2]))
    permissions = frozenset(asked) if match[1] == _WRITTEN else _SERVED & asked
    text = word if match[2] == "read" else _text(match[1], permissions)
    return Scope(match[1], permissions, text) if permissions else None


def _text(kind: str, permissions: frozenset[str]) -> str:
    return f"system/{kind}.{''.join(letter for letter in 'cruds' if letter in permissions)}"


def _holds(held: str, kind: str) -> bool:
    return held == kind or (held == "*" and kind != AUDIT)


def _parts(wanted: Scope, allowed: Iterable[Scope]) -> list[Scope]:
    """``wanted`` itself where one of ``allowed`` holds all of it, else what each of them holds of it."""
    parts = []
    for scope in allowed:
        kind = wanted.kind if _holds(scope.kind, wanted.kind) else scope.kind if _holds(wanted.kind, scope.kind) else ""
        permissions = wanted.permissions & scope.permissions
        if (kind, permissions) == (wanted.kind, wanted.permissions):
            return [wanted]
        if kind and permissions:
            parts.append(Scope(kind, permissions, _text(kind, permissions)))
    return parts
