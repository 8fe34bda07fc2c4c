"""What comes along with a search is left out where the caller may not see it."""

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from ainode_fhir.smart.included import Included
from ainode_fhir.smart.scope import Scopes

ENTRIES = [
    {"resource": {"resourceType": "DiagnosticReport", "id": "1"}, "search": {"mode": "match"}},
    {"resource": {"resourceType": "Patient", "id": "2"}, "search": {"mode": "include"}},
    {"resource": {"resourceType": "Observation", "id": "3"}, "search": {"mode": "include"}},
    {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}},
]


def hiding(scopes: str) -> ASGIApp:
    """A server of one searchset, as a caller with ``scopes`` sees it."""

    def answer(request: Request) -> Response:
        if request.url.path == "/error":
            return JSONResponse({"resourceType": "OperationOutcome"}, 400)
        return JSONResponse({"resourceType": "Bundle", "link": [], "entry": ENTRIES})

    server = Starlette(routes=[Route("/{path:path}", answer)])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        hidden = Included(send, Scopes.parse(scopes)) if scope["type"] == "http" else send
        await server(scope, receive, hidden)

    return app


@pytest.mark.parametrize(
    ("scopes", "ids"),
    [
        ("system/DiagnosticReport.rs", ["1", None]),
        ("system/DiagnosticReport.rs system/Patient.r", ["1", "2", None]),
        ("system/DiagnosticReport.rs system/Patient.s", ["1", None]),
        ("system/*.rs", ["1", "2", "3", None]),
    ],
)
def test_only_what_the_caller_may_read_comes_along(scopes: str, ids: list[str | None]) -> None:
    with TestClient(hiding(scopes)) as client:
        answer = client.get("/DiagnosticReport")
        bundle: dict[str, Any] = json.loads(answer.content)
        assert [entry["resource"].get("id") for entry in bundle["entry"]] == ids
        assert int(answer.headers["content-length"]) == len(answer.content)
        head = client.head("/DiagnosticReport")
        assert (head.status_code, head.content) == (200, b"")
        assert client.get("/error").json() == {"resourceType": "OperationOutcome"}
