"""Stands before the FHIR server: lets callers in, as far as their scopes go, and records every access.

It looks at method, path and parameters alone, so that what the server learns to do is refused until it is known here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import parse_qsl

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ainode_fhir.audit.entry import AuditEntry
from ainode_fhir.audit.trail import AuditTrail
from ainode_fhir.limit import PATIENTS, WHY
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import PARAMETERS
from ainode_fhir.server import problem_response
from ainode_fhir.smart.caller import AWAY, Caller, Callers, Refused, insufficient
from ainode_fhir.smart.endpoints import CONFIGURATION, INTROSPECT, TOKEN
from ainode_fhir.smart.form import body_of
from ainode_fhir.smart.included import Included
from ainode_fhir.smart.interaction import EVERY, Interaction, interaction_of, other_types, patient_of

_OPEN = ("/metadata", CONFIGURATION, TOKEN, INTROSPECT)
"""What needs no caller: what the server can do, and what asks for itself."""


_LIMITED = ("read", "vread", "history-instance", "history-type", "search-type")
"""What a caller who is limited to certain patients may do: what the server narrows for them (``limit``)."""
_CALLER = "ainode.caller"


def caller_of(request: Request) -> Caller:
    """The one whom the gate let in; anybody where there is none."""
    caller = request.scope.get(_CALLER)
    return caller if isinstance(caller, Caller) else Caller()


@dataclass(frozen=True)
class Gate:
    """ASGI application around the server."""

    server: ASGIApp
    callers: Callers
    trail: AuditTrail
    refusals: Callable[[str], int | None]
    """Seconds after which an address that was refused too often may come again; None when it may be told why."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or path.rstrip("/") in _OPEN:
            await self.server(scope, receive, send)
            return
        request = Request(scope, receive)
        asked = _Asked(interaction_of(request.method, path), scope["query_string"].decode("latin-1"))
        caller = Caller()
        try:
            self.trail.check()
            known = self.callers.at_once(request)
            caller = known if known else await run_in_threadpool(self.callers.caller, request)
            if request.method in ("POST", "PUT"):
                body = await body_of(request)
                receive = _again(body, receive)
                asked = asked.with_form(body)
            asked.check(caller)
        except FhirProblem as problem:
            await self._refuse(problem, asked, caller)(scope, receive, send)
            return
        except SQLAlchemyError:
            await problem_response(AWAY)(scope, receive, send)
            return
        await self._serve(asked, caller, (scope, receive, send))

    async def _serve(self, asked: "_Asked", caller: Caller, connection: tuple[Scope, Receive, Send]) -> None:
        scope, receive, send = connection
        status, why = 500, list[str]()
        scope[PATIENTS], scope[WHY] = caller.patients, why
        scope = {**scope, _CALLER: caller}
        hidden = Included(send, caller.scopes) if asked.includes(caller) else send

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await hidden(message)

        try:
            await self.server(scope, receive, observed)
        finally:
            self._note(asked, caller.name, Request(scope), status, "; ".join(why))

    def _refuse(self, problem: FhirProblem, asked: "_Asked", caller: Caller) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            request, told = Request(scope), problem
            seconds = self.refusals(_address(request)) if problem.status in (401, 403) else None
            if seconds is not None:
                text = f"refused too often; try again in {seconds} s"
                told = FhirProblem(429, "throttled", text)
            response = problem_response(told)
            if isinstance(told, Refused):
                response.headers["www-authenticate"] = told.challenge
            elif seconds is not None:
                response.headers["retry-after"] = str(seconds)
            if told.status not in (429, 503):  # nobody may fill the record, or the memory, with refusals
                name = told.name if isinstance(told, Refused) else caller.name
                self._note(asked, name, request, told.status, str(told))
            await response(scope, receive, send)

        return answer

    def _note(self, asked: "_Asked", agent: str, request: Request, status: int, detail: str = "") -> None:
        interaction = asked.interaction
        self.trail.note(
            AuditEntry(
                event=interaction.code if interaction else _written(request.method),
                agent=agent,
                address=_address(request),
                status=status,
                entity=interaction.entity if interaction else "",
                patient=asked.patient,
                query=asked.query,
                detail=detail,
            )
        )


@dataclass(frozen=True)
class _Asked:
    """What a request asks for."""

    interaction: Interaction | None
    query: str
    """Parameters of the address and of a form, as they were written."""

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query, keep_blank_values=True)

    @property
    def patient(self) -> str:
        asked = self.interaction
        return patient_of(asked.kind, asked.id, self.pairs) if asked else ""

    def with_form(self, body: bytes) -> "_Asked":
        if self.interaction is None or not self.interaction.code.startswith("search"):
            return self
        form = body.decode(errors="replace")
        return replace(self, query="&".join(part for part in (self.query, form) if part))

    def check(self, caller: Caller) -> None:
        """FhirProblem when the caller may not, or nobody may."""
        asked = self.interaction
        if asked is None:
            raise FhirProblem(
                405, "not-supported", "only Subscription is written here: use GET, or POST to Type/_search"
            )
        if not caller.scopes.allows(asked.kind, asked.permission):
            raise insufficient(caller, asked.kind, asked.permission)
        limited = caller.patients is not None
        if limited and (asked.kind not in PARAMETERS or asked.code not in _LIMITED):
            raise Refused(403, "forbidden", "the caller is limited to certain patients", name=caller.name)
        for kind in other_types(asked.kind, self.pairs):
            if not caller.scopes.allows(kind, "s"):
                raise insufficient(caller, kind, "s")

    def includes(self, caller: Caller) -> bool:
        """Whether resources may come along that the caller may not see."""
        included = any(name.startswith(("_include", "_revinclude")) for name, _ in self.pairs)
        return included and not caller.scopes.allows(EVERY, "r")


def _again(body: bytes, receive: Receive) -> Receive:
    """``receive`` as if ``body`` had not been read from it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def _written(method: str) -> str:
    return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method, "operation")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
