"""The addresses of SMART: what the server can do, tokens for assertions, and what a token is good for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ainode_fhir.audit.entry import AuditEntry
from ainode_fhir.audit.trail import AuditTrail
from ainode_fhir.datatypes import Json, hl7_concept
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.smart.assertion import KINDS, Assertions
from ainode_fhir.smart.caller import AWAY, Caller, Callers, Refused
from ainode_fhir.smart.form import form_of
from ainode_fhir.smart.problem import OAuthProblem
from ainode_fhir.smart.scope import Scopes
from ainode_fhir.smart.tokens import LIFETIME_S, TokenStore

TOKEN, INTROSPECT, CONFIGURATION = "/auth/token", "/auth/introspect", "/.well-known/smart-configuration"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_UNCACHED = {"cache-control": "no-store", "pragma": "no-cache"}
_CAPABILITIES = ("client-confidential-asymmetric", "permission-v1", "permission-v2")


@dataclass(frozen=True)
class SmartServer:
    """The endpoints; each grant and each refusal is recorded."""

    assertions: Assertions
    callers: Callers
    store: TokenStore
    trail: AuditTrail
    refusals: Callable[[str], int | None]
    """As that of ``smart.gate``."""
    base_url: str

    def routes(self) -> list[Route]:
        """To stand before FHIR's own routes."""
        return [
            Route(CONFIGURATION, self.configuration, methods=["GET"]),
            Route(TOKEN, self.token, methods=["POST"]),
            Route(INTROSPECT, self.introspect, methods=["POST"]),
        ]

    async def configuration(self, _request: Request) -> Response:
        """``GET [base]/.well-known/smart-configuration``: JSON, whatever Accept says."""
        return JSONResponse(smart_configuration(self.base_url))

    async def token(self, request: Request) -> Response:
        """``POST [base]/auth/token`` (RFC 6749 4.4, RFC 7523): an access token for an assertion."""
        address = _address(request)
        try:
            self.trail.check()
            form = await form_of(request)
            client, token, scopes = await run_in_threadpool(self._grant, form, address)
        except OAuthProblem as problem:
            return self._refused("token", problem, address)
        except FhirProblem as problem:
            return _refusal(OAuthProblem("temporarily_unavailable", str(problem)))
        except SQLAlchemyError:
            return _refusal(OAuthProblem("temporarily_unavailable", str(AWAY)))
        self._note("token", client, address, 200, str(scopes))
        body = {"access_token": token, "token_type": "bearer", "expires_in": LIFETIME_S, "scope": str(scopes)}
        return JSONResponse(body, headers=_UNCACHED)

    async def introspect(self, request: Request) -> Response:
        """``POST [base]/auth/introspect`` (RFC 7662), by a key of the node for any token, by a client for its own."""
        address = _address(request)
        try:
            self.trail.check()
            caller = await run_in_threadpool(self.callers.known, request)
            form = await form_of(request)
            found = await run_in_threadpool(self._about, dict(form).get("token", ""), caller)
        except OAuthProblem as problem:
            return self._refused("introspect", problem, address)
        except Refused as problem:
            return self._refused(
                "introspect", OAuthProblem("invalid_client", str(problem), client=problem.name), address
            )
        except FhirProblem as problem:
            return _refusal(OAuthProblem("temporarily_unavailable", str(problem)))
        except SQLAlchemyError:
            return _refusal(OAuthProblem("temporarily_unavailable", str(AWAY)))
        self._note("introspect", caller.name, address, 200, "active" if found["active"] else "not active")
        return JSONResponse(found, headers=_UNCACHED)

    def _grant(self, form: list[tuple[str, str]], address: str) -> tuple[str, str, Scopes]:
        fields = dict(form)
        if len(fields) != len(form):
            raise OAuthProblem("invalid_request", "a parameter is there twice")
        if fields.get("grant_type") != "client_credentials":
            raise OAuthProblem("unsupported_grant_type", "grant_type must be client_credentials")
        if fields.get("client_assertion_type") != _ASSERTION_TYPE or not fields.get("client_assertion"):
            raise OAuthProblem(
                "invalid_request", f"needs client_assertion, and client_assertion_type {_ASSERTION_TYPE}"
            )
        if not fields.get("scope"):
            raise OAuthProblem("invalid_scope", "scope is missing; for example system/*.rs")
        client = self.assertions.client(fields["client_assertion"], address)
        if fields.get("client_id", client.id) != client.id:
            raise OAuthProblem("invalid_client", "client_id is not the iss of the assertion", client=client.id)
        scopes = Scopes.parse(fields["scope"]).granted(client.scopes)
        if not scopes.items:
            raise OAuthProblem("invalid_scope", f"this client may have {client.scopes}", client=client.id)
        return client.id, self.store.issue(client.id, scopes), scopes

    def _about(self, token: str, caller: Caller) -> Json:
        """What is said of a token; that it is not active is all that is said of a dead, unknown or foreign one."""
        if not token:
            raise OAuthProblem("invalid_request", "token is missing", client=caller.name)
        found = self.callers.live(token)
        if found is None or (caller.kind != "key" and caller.name != found.client):
            return {"active": False}
        return {
            "active": True,
            "scope": found.scope,
            "client_id": found.client,
            "sub": found.client,
            "iss": self.base_url,
            "token_type": "bearer",
            "iat": found.issued_at,
            "exp": found.expires_at,
        }

    def _refused(self, event: str, problem: OAuthProblem, address: str) -> Response:
        seconds = self.refusals(address)
        if seconds is not None:  # nobody may fill the record with refusals
            return JSONResponse({"error": "slow_down"}, 429, headers={**_UNCACHED, "retry-after": str(seconds)})
        self._note(event, problem.client, address, problem.status, f"{problem.code}: {problem}")
        return _refusal(problem)

    def _note(self, event: str, agent: str, address: str, status: int, detail: str) -> None:
        self.trail.note(AuditEntry(event=event, agent=agent, address=address, status=status, detail=detail))


def smart_configuration(base_url: str) -> Json:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html, for Backend Services alone."""
    return {
        "token_endpoint": base_url + TOKEN,
        "introspection_endpoint": base_url + INTROSPECT,
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(KINDS),
        "scopes_supported": ["system/*.rs", "system/AuditEvent.rs", "system/Subscription.cruds"],
        "capabilities": list(_CAPABILITIES),
        "code_challenge_methods_supported": ["S256"],
    }


def smart_security(base_url: str) -> Json:
    """``CapabilityStatement.rest.security``."""
    return {
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [
                    {"url": "token", "valueUri": base_url + TOKEN},
                    {"url": "introspect", "valueUri": base_url + INTROSPECT},
                ],
            }
        ],
        "service": [hl7_concept("restful-security-service", "SMART-on-FHIR", "SMART-on-FHIR")],
        "description": "SMART Backend Services with system scopes, or a key of the node as bearer token.",
    }


def _refusal(problem: OAuthProblem) -> Response:
    body = {"error": problem.code, "error_description": str(problem)}
    challenge: Mapping[str, str] = {"www-authenticate": 'Bearer realm="ainode"'} if problem.status == 401 else {}
    return JSONResponse(body, status_code=problem.status, headers={**_UNCACHED, **challenge})


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
