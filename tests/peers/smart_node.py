"""The FHIR server of a node that asks who calls, behind a real server, and a client of SMART Backend Services."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

from ainode.api.keys import ApiKeys
from ainode.fhir_service import fhir_service
from ainode.journal.database import open_database
from ainode.places import Places
from ainode.settings import Api, Fhir, FhirClient, Node, Settings, Web
from ainode.web.server import build_app
from ainode_fhir.audit.trail import AuditTrail
from ainode_fhir.bundle import report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.subscription.notifier import Notifier
from ainode_fhir.subscription.watch import note_event
from peers.fhir_samples import OBJECTS, POSITIVE, STUDY
from peers.orthanc import free_port
from peers.web import serving

CLIENT = "ehr.example"
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
EC = ECKey.generate_key("P-384", {"kid": "ec-1"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa-1"})
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Now:
    """Seconds since 1970, which a test moves on."""

    def __init__(self) -> None:
        self.seconds = 1_790_000_000.0

    def __call__(self) -> float:  # noqa: D102 - as time.time
        return self.seconds


def key_set(*keys: Key) -> str:
    """A JWK Set of their public halves."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]})


def audit_of(event: Json) -> tuple[str, str, str]:
    """Subtype, client and outcome of an AuditEvent."""
    return event["subtype"][0]["code"], event["agent"][0].get("altId", ""), event["outcome"]


@dataclass(frozen=True)
class SmartNode:
    """What is served, and what lies behind it."""

    url: str
    """Base of the FHIR server."""
    http: httpx.Client
    keys: ApiKeys
    trail: AuditTrail
    now: Now
    store: ResourceStore
    notifier: Notifier

    def claims(self, **changed: object) -> dict[str, Any]:
        """Claims of a good assertion, but for ``changed``; None leaves one out."""
        expiry = int(self.now()) + 120
        good = {"iss": CLIENT, "sub": CLIENT, "aud": f"{self.url}/auth/token", "exp": expiry, "jti": uuid.uuid4().hex}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def assertion(self, key: Key = RSA, algorithm: str = "", jku: str = "", **changed: object) -> str:
        """An assertion signed by ``key``."""
        chosen = algorithm or ("ES384" if key.key_type == "EC" else "RS384")
        header = {"alg": chosen, "kid": key.kid} | ({"jku": jku} if jku else {})
        return jwt.encode(header, self.claims(**changed), key, algorithms=[chosen])

    def ask(self, assertion: str, scope: str = "system/*.rs", **changed: str) -> httpx.Response:
        """Answer of the token endpoint."""
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "scope": scope}
        return self.http.post(f"{self.url}/auth/token", data={**form, "client_assertion": assertion, **changed})

    def token(self, scope: str = "system/*.rs") -> str:
        """An access token."""
        answer = self.ask(self.assertion(), scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def get(self, path: str, token: str = "", **headers: str) -> httpx.Response:
        """Answer of the server, which is shown ``token`` unless it is empty."""
        shown = {"authorization": f"Bearer {token}"} if token else {}
        return self.http.get(f"{self.url}/{path}", headers={**shown, **headers})

    def key(self, scopes: str) -> str:
        """A new key of the node."""
        return self.keys.add(f"key-{uuid.uuid4().hex[:8]}", datetime.fromtimestamp(self.now(), UTC), scopes)

    def audit(self, parameters: str = "") -> list[Json]:
        """AuditEvents that are found, newest first; this search is none of them."""
        answer = self.get(f"AuditEvent?{parameters}", self.key("system/AuditEvent.rs"))
        assert answer.status_code == 200, answer.text
        entries = [entry["resource"] for entry in answer.json().get("entry", [])]
        return [each for each in entries if not each["agent"][0].get("altId", "").startswith("key-")]


@contextmanager
def smart_node(
    folder: Path, *, fhir: Fhir | None = None, database: str = "", host: str = "127.0.0.1", rate: int = 100_000
) -> Iterator[SmartNode]:
    """A node with one report and, unless ``fhir`` says otherwise, one client; ``host`` is what its settings say.

    ``rate`` is how many refusals a minute it explains to one address.
    """
    (folder / "jwks.json").write_text(key_set(RSA, EC))
    client = FhirClient(id=CLIENT, scopes="system/*.rs system/AuditEvent.rs", jwks=folder / "jwks.json")
    port, now = free_port(), Now()
    web = Web(host=host, unprotected=True, public_url=f"http://127.0.0.1:{port}")
    settings = Settings(
        node=Node(folder=folder / "node"), web=web, api=Api(rate=rate), fhir=fhir or Fhir(client=(client,))
    )
    places = Places.of(settings)
    engine = open_database(database or places.journal_url)
    base = f"{web.public_url}/fhir"

    store = ResourceStore(engine, clock=lambda: datetime.fromtimestamp(now(), UTC), base_url=base, written=note_event)
    store.apply(report_bundle(POSITIVE, STUDY, OBJECTS, site=Site(base_url=base)))
    service = fhir_service(settings, places, engine=engine, store=store, clock=now)
    app = build_app(health=dict, fhir=service.routes)
    with serving(app, port=port) as root, httpx.Client(trust_env=False) as http:
        yield SmartNode(f"{root}/fhir", http, ApiKeys(places.api_keys), service.trail, now, store, service.notifier)
    service.close()
    engine.dispose()
