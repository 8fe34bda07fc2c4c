"""``/AuditEvent``: the record of access, to read and to search. Whoever may is asked before (``smart.gate``)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ainode_fhir.audit.entry import audit_event
from ainode_fhir.audit.search import AUDIT_PARAMETERS, AuditQuery, find_events, page_after, parse_audit_search, unknown
from ainode_fhir.audit.trail import AuditTrail
from ainode_fhir.datatypes import Json
from ainode_fhir.outcome import FhirProblem, outcome
from ainode_fhir.server import answered, fhir_response
from ainode_fhir.smart.scope import AUDIT


@dataclass(frozen=True)
class AuditServer:
    """The interactions."""

    engine: Engine
    trail: AuditTrail
    base_url: str
    node: str

    def routes(self) -> list[Route]:
        """To stand before the routes of other types."""
        table: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
            (f"/{AUDIT}/_search", "POST", self.search_by_post),
            (f"/{AUDIT}/{{id}}", "GET", self.read),
            (f"/{AUDIT}", "GET", self.search_by_get),
        )
        return [Route(path, answered(endpoint), methods=[method]) for path, method, endpoint in table]

    async def read(self, request: Request) -> Response:
        """``GET [base]/AuditEvent/id``."""
        query = parse_audit_search([("_id", request.path_params["id"])], strict=True)
        entries = (await self._bundle(query)).get("entry", [])
        if not entries:
            raise FhirProblem(404, "not-found", "there is no such event, or not any more")
        return fhir_response(entries[0]["resource"], headers={"etag": 'W/"1"'})

    async def search_by_get(self, request: Request) -> Response:
        """``GET [base]/AuditEvent?parameters``."""
        return await self._search(request, request.query_params.multi_items())

    async def search_by_post(self, request: Request) -> Response:
        """``POST [base]/AuditEvent/_search``."""
        form = parse_qsl((await request.body()).decode(errors="replace"))
        return await self._search(request, [*request.query_params.multi_items(), *form])

    async def _search(self, request: Request, pairs: list[tuple[str, str]]) -> Response:
        strict = "handling=strict" in request.headers.get("prefer", "").replace(" ", "").lower()
        return fhir_response(await self._bundle(parse_audit_search(pairs, strict=strict)))

    async def _bundle(self, query: AuditQuery) -> Json:
        await run_in_threadpool(self.trail.flush)
        found, more, total = await run_in_threadpool(find_events, self.engine, query)
        entries: list[Json] = [
            {"fullUrl": f"{self.base_url}/{AUDIT}/{each.id}", "resource": event, "search": {"mode": "match"}}
            for each in found
            for event in [audit_event(each, node=self.node)]
        ]
        if query.ignored:
            warning = outcome("not-supported", unknown(query.ignored), severity="warning")
            entries.append({"resource": warning, "search": {"mode": "outcome"}})
        links = [{"relation": "self", "url": self._link(query.used)}]
        if more:
            links.append({"relation": "next", "url": self._link((*query.used, ("_page", page_after(found[-1]))))})
        counted: Json = {"total": total} if total is not None else {}
        body: Json = {"resourceType": "Bundle", "type": "searchset", **counted, "link": links}
        return {**body, "entry": entries} if entries else body

    def _link(self, pairs: tuple[tuple[str, str], ...]) -> str:
        return f"{self.base_url}/{AUDIT}" + (f"?{urlencode(pairs)}" if pairs else "")


def audit_capability() -> Json:
    """AuditEvent in ``CapabilityStatement.rest.resource``."""
    return {
        "type": AUDIT,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [{"name": each.name, "type": each.kind} for each in AUDIT_PARAMETERS.values()],
    }
