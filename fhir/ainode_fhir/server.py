"""The FHIR read side as Starlette routes (https://hl7.org/fhir/R4/http.html): read, versions, search, metadata.

Every failure is answered with an OperationOutcome. Who may ask, ``smart.gate`` says.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from traceback import format_tb
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ainode_fhir.capability import FHIR_VERSION, capability_statement
from ainode_fhir.datatypes import Json
from ainode_fhir.history import history_bundle, parse_history
from ainode_fhir.limit import PATIENTS, WHY, Limit
from ainode_fhir.outcome import FhirProblem, outcome
from ainode_fhir.parameters import PARAMETERS
from ainode_fhir.search import parse_search
from ainode_fhir.searchset import searchset
from ainode_fhir.store import ResourceStore
from ainode_fhir.stored import Stored
from ainode_fhir.view import parse_view

MEDIA_TYPE = "application/fhir+json"
_ACCEPTED = ("*/*", "application/*", "application/json", MEDIA_TYPE)
_FORMATS = ("json", "application/json", "text/json", MEDIA_TYPE)
_FORM = "application/x-www-form-urlencoded"
_MOST_POSTED = 2**20
_MOST_FIELDS = 1000
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
"""https://hl7.org/fhir/R4/datatypes.html#id."""
_VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

logger = logging.getLogger(__name__)
Endpoint = Callable[[Request], Awaitable[Response]]


def fhir_routes(
    store: ResourceStore, *, base_url: str, version: str, started: datetime, more: Json | None = None
) -> list[Route]:
    """Routes to mount where ``base_url`` points; all but ``store`` goes into the CapabilityStatement."""
    server = FhirServer(store, base_url)
    statement = json.dumps(capability_statement(base_url=base_url, version=version, started=started, more=more))

    async def metadata(_request: Request) -> Response:
        return fhir_response(statement)

    table: tuple[tuple[str, list[str], Endpoint], ...] = (
        ("/metadata", ["GET"], metadata),
        ("/{kind}/_search", ["POST"], server.search_by_post),
        ("/{kind}/_history", ["GET"], server.history),
        ("/{kind}/{id}", ["GET"], server.read),
        ("/{kind}/{id}/_history", ["GET"], server.history),
        ("/{kind}/{id}/_history/{version}", ["GET"], server.vread),
        ("/{kind}", ["GET"], server.search_by_get),
    )
    routes = [Route(path, answered(endpoint), methods=methods) for path, methods, endpoint in table]
    return [*routes, Route("/{path:path}", answered(server.unmatched), methods=_VERBS)]


@dataclass(frozen=True)
class FhirServer:
    """The interactions of the read side; each raises FhirProblem for what it cannot answer."""

    store: ResourceStore
    base_url: str

    async def read(self, request: Request) -> Response:
        """``GET [base]/Type/id``, with ETag; 304 when the caller has this version, 410 once deleted."""
        kind, identity = _kind(request), _identity(request)
        stored = await run_in_threadpool(self.store.read, kind, identity)
        return _versioned(_present(await self._visible(request, stored), kind), request)

    async def vread(self, request: Request) -> Response:
        """``GET [base]/Type/id/_history/version``, with ETag as of a read."""
        kind, identity, version = _kind(request), _identity(request), request.path_params["version"]
        number = int(version) if re.fullmatch(r"[1-9]\d{0,8}", version, re.ASCII) else 0
        stored = await run_in_threadpool(self.store.version, kind, identity, number)
        if stored and await self._visible(request, await run_in_threadpool(self.store.read, kind, identity)) is None:
            stored = None
        return _versioned(_present(await self._visible(request, stored), f"version of this {kind}"), request)

    async def history(self, request: Request) -> Response:
        """``GET [base]/Type/id/_history`` and ``GET [base]/Type/_history``."""
        kind, identity = _kind(request), _identity(request) if "id" in request.path_params else None
        query = parse_history(kind, identity, request.query_params.multi_items(), strict=_strict(request))
        if identity is not None:
            newest = await run_in_threadpool(self.store.read, kind, identity)
            if await self._visible(request, newest) is None:
                raise _unknown(kind)
        limit = await self._limit(request)
        page = await run_in_threadpool(self.store.history, query, limit.compartment if limit else None)
        return fhir_response(history_bundle(query, page, base_url=self.base_url))

    async def search_by_get(self, request: Request) -> Response:
        """``GET [base]/Type?parameters``."""
        return await self._search(request, request.query_params.multi_items())

    async def search_by_post(self, request: Request) -> Response:
        """``POST [base]/Type/_search`` with the parameters in a form, in the address, or in both."""
        kind = request.headers.get("content-type", _FORM).split(";")[0].strip().lower()
        if kind != _FORM:
            raise FhirProblem(415, "not-supported", f"a search is posted as {_FORM}")
        form = _form(await _body(request))
        return await self._search(request, [*request.query_params.multi_items(), *form])

    async def unmatched(self, request: Request) -> Response:
        """Whatever else: 405 where another method would do, 404 where nothing is served."""
        parts = request.path_params["path"].strip("/").split("/")
        if parts[0] not in (*PARAMETERS, "metadata") or (len(parts) > 2 and parts[2] != "_history"):
            raise FhirProblem(404, "not-found", f"nothing is served here; see {self.base_url}/metadata")
        raise FhirProblem(405, "not-supported", "this type is read-only: use GET, or POST to Type/_search")

    async def _search(self, request: Request, pairs: list[tuple[str, str]]) -> Response:
        query = parse_search(_kind(request), pairs, strict=_strict(request))
        limit = await self._limit(request)
        if limit:
            limit.check(query, base_url=self.base_url)
        page = await run_in_threadpool(self.store.search, query, limit.compartment if limit else None)
        return fhir_response(searchset(query, page, base_url=self.base_url))

    async def _limit(self, request: Request) -> Limit | None:
        """The patients that the caller is limited to, as the gate says; None for no limit."""
        identifiers: tuple[str, ...] | None = request.scope.get(PATIENTS)
        if identifiers is None:
            return None
        return Limit(identifiers, await run_in_threadpool(self.store.compartment, identifiers))

    async def _visible(self, request: Request, stored: Stored | None) -> Stored | None:
        """The version, or None where the caller is limited to patients whose it is not: as if there were none."""
        limit = await self._limit(request)
        if stored is None or limit is None or await run_in_threadpool(self.store.shows, stored, limit.compartment):
            return stored
        request.scope[WHY].append("it is of no patient whom the caller may see")
        return None


def fhir_response(body: Json | str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A resource, or JSON that is one, as ``application/fhir+json`` of FHIR 4.0."""
    media_type = f"{MEDIA_TYPE}; fhirVersion={FHIR_VERSION.rpartition('.')[0]}; charset=utf-8"
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(text, status_code=status, media_type=media_type, headers=headers)


def problem_response(problem: FhirProblem) -> Response:
    """A refusal as OperationOutcome."""
    headers = {"allow": "GET, HEAD, POST"} if problem.status == 405 else None
    return fhir_response(outcome(problem.code, str(problem)), status=problem.status, headers=headers)


def answered(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` whose every failure is an OperationOutcome."""

    async def answer(request: Request) -> Response:
        try:
            _check_format(request)
            return await endpoint(request)
        except FhirProblem as problem:
            if problem.status == 403:
                request.scope.get(WHY, []).append(str(problem))
            return problem_response(problem)
        except Exception as exc:  # noqa: BLE001 - the edge: the caller is always answered
            _log(request, exc)
            return fhir_response(outcome("exception", "the server failed; its log says why"), status=500)

    return answer


def _log(request: Request, exc: Exception) -> None:
    """Where it failed and with what, but not the message: a database error quotes the values that were searched for."""
    where = "".join(format_tb(exc.__traceback__))
    logger.error("%s %s failed with %s\n%s", request.method, request.url.path, type(exc).__name__, where)


def _check_format(request: Request) -> None:
    """406 unless JSON of FHIR 4.0 will do; ``_format`` counts before Accept."""
    wanted = request.query_params.get("_format")
    types = [wanted] if wanted else request.headers.get("accept", "*/*").split(",")
    if not any(_is_ours(media_type, _FORMATS if wanted else _ACCEPTED) for media_type in types):
        raise FhirProblem(406, "not-supported", f"only {MEDIA_TYPE} of FHIR {FHIR_VERSION} is served")


def _is_ours(media_type: str, allowed: tuple[str, ...]) -> bool:
    name, *parameters = (part.strip().lower() for part in media_type.split(";"))
    versions = [part.partition("=")[2] for part in parameters if part.startswith("fhirversion=")]
    return name in allowed and all(version in ("4.0", FHIR_VERSION) for version in versions)


def _kind(request: Request) -> str:
    kind: str = request.path_params["kind"]
    if kind not in PARAMETERS:
        raise FhirProblem(404, "not-supported", f"this type is not served; these are: {', '.join(PARAMETERS)}")
    return kind


def _identity(request: Request) -> str:
    identity: str = request.path_params["id"]
    if not _ID.fullmatch(identity):
        raise _unknown(_kind(request))
    return identity


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_POSTED:
            raise FhirProblem(413, "too-long", f"a search is {_MOST_POSTED} bytes at most")
    return body


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(errors="replace"), max_num_fields=_MOST_FIELDS)
    except ValueError as exc:
        raise FhirProblem(400, "too-costly", f"a form has {_MOST_FIELDS} fields at most") from exc


def _strict(request: Request) -> bool:
    return "handling=strict" in request.headers.get("prefer", "").replace(" ", "").lower()


def _present(stored: Stored | None, what: str) -> Stored:
    if stored is None:
        raise _unknown(what)
    if stored.deleted:
        raise FhirProblem(410, "deleted", f"this {stored.kind} was deleted")
    return stored


def _unknown(what: str) -> FhirProblem:
    return FhirProblem(404, "not-found", f"there is no {what} with this id: search for it by identifier")


def _versioned(stored: Stored, request: Request) -> Response:
    known = request.headers.get("if-none-match", "")
    headers = {"etag": stored.etag, "last-modified": format_datetime(stored.moment, usegmt=True)}
    if stored.etag in [item.strip() for item in known.split(",")]:
        return Response(status_code=304, headers=headers)
    view = parse_view(stored.kind, request.query_params.multi_items())
    return fhir_response(stored.body_text if view.is_all else view.of(stored.body), headers=headers)
