"""Delivers a result to an EHR's FHIR server (https://hl7.org/fhir/R4/http.html#transaction)."""

from dataclasses import dataclass

import httpx
from fhir.resources.R4B.bundle import Bundle

from ainode_fhir.bundle import as_json, conditional_creates, search_key
from ainode_fhir.datatypes import Json
from ainode_fhir.outcome import outcome_text
from ainode_models.errors import PeerRefused, PeerUnreachable

_HEADERS = {
    "accept": "application/fhir+json",
    "content-type": "application/fhir+json",
    "prefer": "return=minimal",
    # A server or proxy that answers twice would else answer our next request with the answer to this one.
    "connection": "close",
}
_CHANGED = ("status", "conclusion")
"""What shows that a review has arrived: the conclusion begins with who decided what, and when."""
_LATER = (408, 409, 425, 429)
"""409: another transaction was writing the same resources (R4 http.html, Transaction Processing Rules)."""

_UNAUTHORIZED = 401
_ORDER = "ServiceRequest"


@dataclass(frozen=True)
class PushedEntry:
    """What the server did with one resource."""

    kind: str
    status: int
    """HTTP status of the entry: 201 written, 200 it was there already."""
    location: str | None
    """Where the server says it keeps the resource."""


class _MayNot(PeerRefused):
    """The server knows the node, and does not do this, or not for it."""


class FhirDestination:
    """An EHR that takes transactions; the caller owns the client with its timeouts, TLS and credentials."""

    def __init__(self, base_url: str, client: httpx.Client) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = client

    def push(self, bundle: Bundle, *, change: bool = False) -> tuple[PushedEntry, ...]:
        """Send a bundle of ``report_bundle`` or ``superseded_bundle``; sending it again makes no second report.

        The order is that of the server, where it has one of the patient under the same number; where it has several, or
        one of another patient, or may not be asked, the number alone is told. ``change``: one of ``reviewed_bundle``,
        by which report and Observations become what it says. Raises PeerUnreachable when it is worth trying again,
        PeerRefused with the server's reason when it is not.
        """
        without = () if self._takes_order(bundle) else (_ORDER,)
        sent = conditional_creates(bundle, change=change, without=without)
        answer = self._request("POST", self._base_url, sent)
        entries = answer.get("entry", [])
        if answer.get("type") != "transaction-response" or len(entries) != len(sent["entry"]):
            raise PeerRefused(f"{self._base_url} answered the transaction with no transaction-response of its entries")
        pairs = zip(sent["entry"], entries, strict=True)
        return tuple(self._pushed(asked["resource"]["resourceType"], entry) for asked, entry in pairs)

    def confirm(self, bundle: Bundle, *, change: bool = False) -> str:
        """The logical id under which the server finds the report of ``bundle``; ``change``: and as it is there.

        Raises PeerUnreachable when it does not find it yet, PeerRefused when it has more than one.
        """
        report = next(
            entry["resource"]
            for entry in as_json(bundle)["entry"]
            if entry["resource"]["resourceType"] == "DiagnosticReport"
        )
        answer = self._request("GET", f"{self._base_url}/DiagnosticReport?{search_key(report)}")
        found = [entry["resource"] for entry in answer.get("entry", []) if _shows(entry, report)]
        if not found:
            raise PeerUnreachable(f"{self._base_url} does not find the report that it took: ask again later")
        if change and any(body.get(name) != report.get(name) for body in found for name in _CHANGED):
            raise PeerUnreachable(f"{self._base_url} does not show the review of the report yet: ask again later")
        if len(found) > 1:
            raise PeerRefused(f"{self._base_url} has {len(found)} reports of one run: remove all but the newest there")
        return str(found[0]["id"])

    def _takes_order(self, bundle: Bundle) -> bool:
        """Whether a conditional create of the order does what is meant: makes one, or finds that of this patient."""
        bodies = {entry["resource"]["resourceType"]: entry["resource"] for entry in as_json(bundle)["entry"]}
        if _ORDER not in bodies:
            return True
        order, patient = bodies[_ORDER], bodies["Patient"]
        try:
            entries = self._alike(order, "&_include=ServiceRequest:patient")
            orders = [entry["resource"] for entry in entries if _shows(entry, order)]
            if not orders:
                return True
            # Not every server gives the patient along
            patients = entries if any(_shows(entry, patient) for entry in entries) else self._alike(patient)
        except _MayNot:
            return False
        same = {entry["resource"]["id"] for entry in patients if _shows(entry, patient)}
        subjects = {str(each.get("subject", {}).get("reference", "")).rpartition("/")[2] for each in orders}
        return len(orders) == 1 and subjects <= same

    def _alike(self, body: Json, more: str = "") -> list[Json]:
        """Entries of a search for the number of ``body``."""
        url = f"{self._base_url}/{body['resourceType']}?{search_key(body)}&_count=2{more}"
        found: list[Json] = self._request("GET", url).get("entry", [])
        return found

    def _request(self, method: str, url: str, body: Json | None = None) -> Json:
        try:
            response = self._client.request(method, url, json=body, headers=_HEADERS)
        except httpx.RequestError as exc:
            asked = exc.request.url.copy_with(query=None)  # of an access token, perhaps
            raise PeerUnreachable(f"{asked} did not answer: {type(exc).__name__}") from exc
        answer = _json(response)
        _check(response.status_code, answer or {}, self._base_url)
        if answer is None:  # cut off perhaps, so what was asked may be done: to be asked for before it is sent again
            raise PeerUnreachable(f"{self._base_url} answered {response.status_code} without a whole JSON object")
        return answer

    def _pushed(self, kind: str, entry: Json) -> PushedEntry:
        response = entry.get("response", {})
        status = response.get("status", "").split(" ")[0]
        if not status.isdecimal():
            raise PeerRefused(f"{self._base_url} gave no status for the {kind} of a transaction")
        _check(int(status), response.get("outcome", {}), f"{self._base_url}/{kind}")
        return PushedEntry(kind, int(status), response.get("location"))


def _shows(entry: Json, report: Json) -> bool:
    """Whether an entry of a search is what has the same number: a server may ignore what it was asked for."""
    wanted, body = report["identifier"][0], entry.get("resource", {})
    return body.get("resourceType") == report["resourceType"] and any(
        one.get("system") == wanted.get("system") and one.get("value") == wanted["value"]
        for one in body.get("identifier", [])
    )


def _json(response: httpx.Response) -> Json | None:
    """The body when it is a JSON object; proxies answer with HTML, which says nothing that the status does not."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _check(status: int, body: Json, where: str) -> None:
    if status < 300:
        return
    said = outcome_text(body)
    text = f"{where} answered {status}{f': {said}' if said else ''}"
    if status >= 500 or status in _LATER:
        raise PeerUnreachable(text)
    raise (PeerRefused if status == _UNAUTHORIZED else _MayNot)(text)
