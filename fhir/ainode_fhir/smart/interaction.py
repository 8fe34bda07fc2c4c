"""What a request asks for, read from its method and path (https://hl7.org/fhir/R4/http.html)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ainode_fhir.parameters import search_parameter

EVERY = "*"
"""All types at once, as searches of the whole system and operations ask for."""
SUBSCRIPTION = "Subscription"
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_PATIENT = ("patient", "subject", "patient:Patient", "subject:Patient")
_REFERENCE = re.compile(r"(?:(?:https?://[^\s,]*/)?Patient/)?([A-Za-z0-9.-]{1,64})")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True)
class Interaction:
    """One interaction of FHIR's REST."""

    code: str
    """Of https://hl7.org/fhir/R4/valueset-system-restful-interaction.html or type-restful-interaction."""
    kind: str
    """Resource type, or ``*``."""
    permission: str
    """``c``, ``r``, ``u``, ``d`` or ``s``, as in scopes."""
    id: str = ""

    @property
    def entity(self) -> str:
        """``Type/id`` or ``Type``; empty for all types, and for an id that is none."""
        return f"{self.kind}/{self.id}" if _ID.fullmatch(self.id) else self.kind.replace(EVERY, "")


def interaction_of(method: str, path: str) -> Interaction | None:
    """What is asked for; None for what this server never does: it is read-only but for Subscription."""
    parts = path.strip("/").split("/")
    if parts[0] == SUBSCRIPTION and (found := _subscription(method, parts)):
        return found
    if method == "POST" and parts[-1] == "_search":
        return _search(parts[:-1])
    if method not in ("GET", "HEAD"):
        return None
    return _history(parts) if "_history" in parts else _read(parts)


def _subscription(method: str, parts: list[str]) -> Interaction | None:
    match method, parts:
        case "POST", [kind]:
            return Interaction("create", kind, "c")
        case "PUT", [kind, identity]:
            return Interaction("update", kind, "u", identity)
        case "DELETE", [kind, identity]:
            return Interaction("delete", kind, "d", identity)
        case "GET" | "HEAD" | "POST", [kind, identity, "$status"]:
            return Interaction("operation", kind, "r", identity)
    return None


def other_types(kind: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Types that a search looks into beside its own: by ``_has``, and by chains, but to the identifier in a reference.

    ``*`` for a chain whose target is not known.
    """
    for name, _ in pairs:
        if name.startswith("_has:"):
            yield from (part for part in name.split(":")[1::3] if part)
        head, dot, link = name.partition(".")
        if dot and link != "identifier":
            base, _, wanted = head.partition(":")
            parameter = search_parameter(kind, base)
            if parameter:
                yield EVERY if "." in link else wanted or parameter.target or EVERY


def patient_of(kind: str, identity: str, pairs: Iterable[tuple[str, str]]) -> str:
    """``Patient/id`` of the one patient that a request names; empty where it names none or several."""
    if kind == "Patient" and identity:
        return f"Patient/{identity}"
    values = {value for name, value in pairs if name in _PATIENT}
    matches = [_REFERENCE.fullmatch(value) for value in values]
    ids = {match[1] if match else "" for match in matches}
    return f"Patient/{ids.pop()}" if len(ids) == 1 and "" not in ids else ""


def _search(parts: list[str]) -> Interaction:
    match parts:
        case [kind] if _TYPE.fullmatch(kind):
            return Interaction("search-type", kind, "s")
    return Interaction("search-system", EVERY, "s")


def _read(parts: list[str]) -> Interaction:
    match parts:
        case [kind, identity] if _TYPE.fullmatch(kind) and not identity.startswith("$"):
            return Interaction("read", kind, "r", identity)
    return _search(parts)


def _history(parts: list[str]) -> Interaction:
    match parts:
        case [kind, identity, "_history"] if _TYPE.fullmatch(kind):
            return Interaction("history-instance", kind, "r", identity)
        case [kind, identity, "_history", _] if _TYPE.fullmatch(kind):
            return Interaction("vread", kind, "r", identity)
        case [kind, "_history"] if _TYPE.fullmatch(kind):
            return Interaction("history-type", kind, "s")
    return Interaction("history-system", EVERY, "s")
