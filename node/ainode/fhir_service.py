"""The FHIR server put together from the settings: who may ask, what is served, and the record of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Router

from ainode import peers
from ainode.api.guard import is_foreign_page
from ainode.api.keys import PREFIX, ApiKeys
from ainode.api.rate_limit import RateLimit
from ainode.deliver.outbox import RetryPolicy
from ainode.places import Places
from ainode.settings import FhirClient, Settings
from ainode.settings.agreement import LOOPBACK
from ainode_fhir.audit.routes import AuditServer, audit_capability
from ainode_fhir.audit.trail import AuditTrail
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.server import fhir_routes
from ainode_fhir.smart.assertion import Assertions
from ainode_fhir.smart.caller import Callers, Key
from ainode_fhir.smart.client import Client
from ainode_fhir.smart.endpoints import TOKEN, SmartServer, smart_security
from ainode_fhir.smart.gate import Gate
from ainode_fhir.smart.jwks import FileKeys, Keys, UrlKeys
from ainode_fhir.smart.patients import PatientFile
from ainode_fhir.smart.scope import Scopes, checked_scopes
from ainode_fhir.smart.tokens import TokenStore
from ainode_fhir.store import ResourceStore
from ainode_fhir.subscription.book import Book
from ainode_fhir.subscription.notifier import Notifier, Terms
from ainode_fhir.subscription.routes import SubscriptionServer, subscription_capability

log = structlog.get_logger()

_PATIENCE_S = 10.0


@dataclass(frozen=True)
class FhirService:
    """What the node needs of the server."""

    routes: list[BaseRoute]
    trail: AuditTrail
    """To be stepped now and then."""
    notifier: Notifier
    """The same."""
    http: httpx.Client
    """For the keys of clients, and to notify."""

    def close(self) -> None:
        """Write the rest of the record; nobody may ask any more."""
        self.notifier.close()
        self.http.close()
        try:
            self.trail.flush()
        except SQLAlchemyError:
            log.exception("access not recorded")


def fhir_service(
    settings: Settings,
    places: Places,
    *,
    engine: Engine,
    store: ResourceStore,
    clock: Callable[[], float] = time.time,
) -> FhirService:
    """The server of one node; ConfigError when the keys of a client cannot be read."""
    base_url, node = peers.fhir_url(settings), settings.node.name
    http = httpx.Client(timeout=_PATIENCE_S, trust_env=False)
    trail = AuditTrail(engine, clock, days=settings.fhir.audit_days)
    clients = _clients(settings, http)
    tokens = TokenStore(engine, clock)
    keys = ApiKeys(places.api_keys)
    callers = Callers(clients, tokens, partial(_key, keys), partial(_is_open, settings, keys))
    limit = RateLimit(settings.api.rate, time.monotonic)
    assertions = Assertions(clients, tokens, base_url + TOKEN, clock)
    smart = SmartServer(assertions, callers, tokens, trail, limit.take, base_url)
    served = fhir_routes(
        store,
        base_url=base_url,
        version=peers.version(),
        started=datetime.now(UTC),
        more={"security": smart_security(base_url), "resource": [audit_capability(), subscription_capability()]},
    )
    book, hosts = Book(engine), settings.fhir.subscription_hosts
    retry = RetryPolicy(settings.deliver.first_retry, settings.deliver.max_retry, settings.deliver.give_up_after)
    terms = Terms(
        base_url=base_url,
        hosts=hosts,
        owner=partial(_scopes_of, clients, keys),
        wait=retry.wait,
        give_up_after=retry.give_up_after,
    )
    notifier = Notifier(book, store, http=http, trail=trail, terms=terms, clock=clock)
    subscriptions = SubscriptionServer(book, hosts, base_url, clock).routes()
    routes = [*smart.routes(), *AuditServer(engine, trail, base_url, node).routes(), *subscriptions, *served]
    gate = Gate(Router(routes), callers, trail, limit.take)
    return FhirService([Mount("", app=gate)], trail, notifier, http)


def asks_everybody(settings: Settings) -> bool:
    """Whether a token or key must be shown even while there are no keys."""
    fhir = settings.fhir
    outside = settings.web.host not in LOOPBACK
    return fhir.access == "required" or (fhir.access == "auto" and (outside or bool(fhir.client)))


def _clients(settings: Settings, http: httpx.Client) -> Mapping[str, Client]:
    return {
        item.id: Client(item.id, _keys_of(item, http), checked_scopes(item.scopes), _patients_of(item), item.address)
        for item in settings.fhir.client
    }


def _keys_of(item: FhirClient, http: httpx.Client) -> Keys:
    if item.jwks is None:
        return UrlKeys(item.jwks_url, http, time.monotonic)
    keys = FileKeys(item.jwks)
    keys.all()  # a file that cannot be used stops the node now, not the client later
    return keys


def _patients_of(item: FhirClient) -> Callable[[], tuple[str, ...]] | None:
    if item.patients_file is None:
        return (lambda: item.patients) if item.patients else None
    patients = PatientFile(item.patients_file)
    patients.read()  # as for keys: what cannot be used stops the node now
    return patients.read


def _key(keys: ApiKeys, shown: str) -> Key | None:
    key = keys.find(shown) if shown.startswith(PREFIX) else None
    return Key(key.name, key.fhir, key.patients) if key and key.fhir else None


def _scopes_of(clients: Mapping[str, Client], keys: ApiKeys, kind: str, name: str) -> Scopes | None:
    """What a client or key may do now; None when it is not there any more, or may see certain patients only.

    Those may not subscribe, and what they subscribed to before ends.
    """
    if kind == "client":
        client = clients.get(name)
        return client.scopes if client and client.patients is None else None
    found = (key for key in keys.all() if key.name == name and key.patients is None)
    return next((Scopes.parse(key.fhir) for key in found), None)


def _is_open(settings: Settings, keys: ApiKeys, request: Request) -> bool:
    """Whether nobody is asked; a page of another site is turned away even then, but where the settings say open."""
    if settings.fhir.access == "open":
        return True
    if asks_everybody(settings) or keys.any():
        return False
    public = urlsplit(peers.fhir_url(settings)).hostname or ""
    if is_foreign_page(request, frozenset({*LOOPBACK, settings.web.host, public})):
        raise FhirProblem(403, "forbidden", "called by another name, or from a page of another site: make a key")
    return True
