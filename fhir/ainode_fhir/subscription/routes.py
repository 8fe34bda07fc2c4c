"""``/Subscription``: made, read, searched, changed and deleted by the client or key that it belongs to alone."""

import json
import uuid
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ainode_fhir.datatypes import Json
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.server import answered, fhir_response
from ainode_fhir.smart.caller import Caller, insufficient
from ainode_fhir.smart.gate import caller_of
from ainode_fhir.subscription.book import Book
from ainode_fhir.subscription.channel import BACKPORT, Channel, refusal
from ainode_fhir.subscription.notification import subscription_status
from ainode_fhir.subscription.search import found
from ainode_fhir.subscription.subscription import SUBSCRIPTION, Subscription
from ainode_fhir.subscription.wanted import TOPIC, criteria_of, lacking, read_wanted

_MOST = 50
"""Subscriptions of one client or key."""


@dataclass(frozen=True)
class SubscriptionServer:
    """The interactions."""

    book: Book
    hosts: Collection[str]
    """That may be called."""
    base_url: str
    clock: Callable[[], float]

    def routes(self) -> list[Route]:
        """To stand before the routes of other types."""
        table: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
            ("", "POST", self.create),
            ("", "GET", self.search),
            ("/_search", "POST", self.search),
            ("/{id}/$status", "GET", self.status),
            ("/{id}/$status", "POST", self.status),
            ("/{id}", "GET", self.read),
            ("/{id}", "PUT", self.update),
            ("/{id}", "DELETE", self.delete),
        )
        return [Route(f"/{SUBSCRIPTION}{path}", answered(end), methods=[method]) for path, method, end in table]

    async def create(self, request: Request) -> Response:
        """``POST [base]/Subscription``: 201, status ``requested`` until the handshake is answered."""
        caller = caller_of(request)
        made = self._stated(await request.body(), caller, str(uuid.uuid4()), 1)
        await run_in_threadpool(self._add, made)
        return self._answer(made, 201, location=f"{self.base_url}/{SUBSCRIPTION}/{made.id}")

    async def read(self, request: Request) -> Response:
        """``GET [base]/Subscription/id``."""
        return self._answer(await self._own(request))

    async def update(self, request: Request) -> Response:
        """``PUT [base]/Subscription/id``: of one that is there; its numbers go on, and it begins with a handshake."""
        own = await self._own(request)
        changed = self._stated(await request.body(), caller_of(request), own.id, own.version + 1)
        if not await run_in_threadpool(self.book.replace, changed):
            raise _unknown()
        return self._answer(replace(changed, events=own.events, sent=own.sent))

    async def delete(self, request: Request) -> Response:
        """``DELETE [base]/Subscription/id``: 204."""
        own = await self._own(request)
        await run_in_threadpool(self.book.remove, own.id)
        return Response(status_code=204)

    async def search(self, request: Request) -> Response:
        """``GET [base]/Subscription?parameters``, or the same posted."""
        form = parse_qsl((await request.body()).decode(errors="replace")) if request.method == "POST" else []
        pairs = [*request.query_params.multi_items(), *form]
        caller = caller_of(request)
        own = await run_in_threadpool(self.book.of_owner, caller.kind, caller.name)
        return fhir_response(found(own, pairs, base_url=self.base_url))

    async def status(self, request: Request) -> Response:
        """``GET`` or ``POST [base]/Subscription/id/$status``."""
        own = await self._own(request)
        body = subscription_status(own, "query-status", level="id-only", base_url=self.base_url)
        entry = {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": body, "search": {"mode": "match"}}
        return fhir_response({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [entry]})

    def _stated(self, body: bytes, caller: Caller, identity: str, version: int) -> Subscription:
        wanted = read_wanted(body)
        channel = Channel.of(wanted.resource, self.hosts)
        if missing := lacking(caller.scopes, *criteria_of(wanted.resource)):
            kind, permission = missing.removeprefix("system/").rsplit(".", 1)
            raise insufficient(caller, kind, permission)
        now = int(self.clock() * 1e6)
        if wanted.ends and wanted.ends <= now:
            raise refusal("end has passed")
        return Subscription(
            id=identity,
            version=version,
            last_updated=now,
            owner=caller.name,
            owner_kind=caller.kind,
            scopes=str(caller.scopes),
            type=wanted.kind,
            content=json.dumps(wanted.resource),
            status="off" if wanted.off else "requested",
            heartbeat=channel.heartbeat * 1_000_000,
            ends=wanted.ends,
        )

    def _add(self, made: Subscription) -> None:
        if len(self.book.of_owner(made.owner_kind, made.owner)) >= _MOST:
            raise FhirProblem(422, "too-costly", f"a client or key has {_MOST} subscriptions at most: delete some")
        self.book.add(made)

    async def _own(self, request: Request) -> Subscription:
        """The one that is asked for, if it belongs to who asks; FhirProblem (404) as if there were none otherwise."""
        caller = caller_of(request)
        subscription = await run_in_threadpool(self.book.find, request.path_params["id"])
        if subscription is None or (subscription.owner_kind, subscription.owner) != (caller.kind, caller.name):
            raise _unknown()
        return subscription

    def _answer(self, subscription: Subscription, status: int = 200, **headers: str) -> Response:
        return fhir_response(subscription.body, status=status, headers={"etag": subscription.etag, **headers})


def subscription_capability() -> Json:
    """Subscription in ``CapabilityStatement.rest.resource``."""
    operation = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status"
    return {
        "type": SUBSCRIPTION,
        "extension": [{"url": BACKPORT + "capabilitystatement-subscriptiontopic-canonical", "valueCanonical": TOPIC}],
        "supportedProfile": [BACKPORT + "backport-subscription"],
        "interaction": [{"code": code} for code in ("create", "read", "update", "delete", "search-type")],
        "versioning": "no-version",
        "searchParam": [
            {"name": "_id", "type": "token"},
            {"name": "status", "type": "token"},
            {"name": "criteria", "type": "string"},
            {"name": "url", "type": "uri"},
        ],
        "operation": [{"name": "status", "definition": operation}],
    }


def _unknown() -> FhirProblem:
    return FhirProblem(404, "not-found", "you have no Subscription with this id")
