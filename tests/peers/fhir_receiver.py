"""Two FHIR servers that take what we push: one on our own store, and Medplum's, which checks each resource against R4.

The first runs everywhere. The second needs npm once, to put Medplum's packages into ``build/`` (git-ignored).
"""

import asyncio
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx
import uvicorn
from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import create_engine
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ainode_fhir.datatypes import Json
from ainode_fhir.outcome import outcome
from ainode_fhir.search import parse_search
from ainode_fhir.server import fhir_response, fhir_routes
from ainode_fhir.store import ResourceStore
from ainode_fhir.tables import metadata
from peers.fhir_samples import STARTED, Clock
from peers.npm_packages import npm_packages
from peers.shared_data import ROOT

_VERSION = "4.5.2"  # the last that runs on node 20
PACKAGES = ROOT / "build" / f"medplum-{_VERSION}"
_NAMES = ("core", "definitions", "fhir-router")


@dataclass
class Receiver:
    """A receiver on our own store; ``answers`` are given in place of the next ones, as (status, body)."""

    store: ResourceStore
    url: str = ""
    answers: list[tuple[int, Json]] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)
    """One transaction at a time: each looks first for what is there."""

    async def transaction(self, request: Request) -> Response:
        """``POST [base]``: conditional creates and updates, linked by ``urn:uuid``."""
        if self.answers:
            status, body = self.answers.pop(0)
            return fhir_response(body, status=status)
        return await run_in_threadpool(self._apply, await request.json())

    def _apply(self, body: Json) -> Response:
        with self.turn:
            return self._in_turn(body)

    def _in_turn(self, body: Json) -> Response:
        ids = {entry["fullUrl"]: self._existing(entry) for entry in body["entry"]}
        if any(len(found) > 1 for found in ids.values()):
            return fhir_response(outcome("multiple-matches", "more than one resource matches"), status=412)
        names = {urn: found[0] if found else str(uuid4()) for urn, found in ids.items()}
        text = json.dumps(body)
        for entry in body["entry"]:
            urn = entry["fullUrl"]
            text = text.replace(f'"{urn}"', f'"{entry["resource"]["resourceType"]}/{names[urn]}"')
        entries = [
            _put(entry, names[sent["fullUrl"]])
            for sent, entry in zip(body["entry"], json.loads(text)["entry"], strict=True)
            if not ids[sent["fullUrl"]] or entry["request"]["method"] == "PUT"
        ]
        self.store.apply(Bundle.model_validate({"type": "transaction", "entry": entries}))
        statuses = ["200 OK" if found else "201 Created" for found in ids.values()]
        answers = [{"response": {"status": status}} for status in statuses]
        return fhir_response({"resourceType": "Bundle", "type": "transaction-response", "entry": answers})

    def _existing(self, entry: Json) -> list[str]:
        request = entry["request"]
        criteria = request.get("ifNoneExist") or request["url"].partition("?")[2]
        query = parse_search(entry["resource"]["resourceType"], parse_qsl(criteria), strict=True)
        return [stored.id for stored in self.store.search(query).resources]


def _put(entry: Json, identity: str) -> Json:
    kind = entry["resource"]["resourceType"]
    resource = {**entry["resource"], "id": identity}
    return {"resource": resource, "request": {"method": "PUT", "url": f"{kind}/{identity}"}}


@contextmanager
def own_receiver(
    folder: Path, *, before: Sequence[Route] = (), guard: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> Iterator[Receiver]:
    """A receiver on our own store, over HTTP on a free port; ``before`` are more routes, ``guard`` wraps all."""
    engine = create_engine(f"sqlite:///{folder / 'receiver.db'}")
    metadata.create_all(engine)
    receiver = Receiver(ResourceStore(engine, clock=Clock()))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        routes = fhir_routes(receiver.store, base_url=receiver.url, version="test", started=STARTED)
        app = Starlette(routes=[*before, Route("/", receiver.transaction, methods=["POST"]), *routes])
        server = uvicorn.Server(uvicorn.Config(guard(app), log_level="error", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield receiver
        finally:
            server.should_exit = True
            thread.join()
            engine.dispose()


@contextmanager
def medplum_receiver() -> Iterator[str]:
    """Base URL of Medplum's server in memory."""
    packages = medplum_packages()
    script = Path(__file__).with_suffix(".mjs")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = ["node", str(script), str(port), str(packages)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def medplum_packages() -> Path:
    """Folder with Medplum's npm packages, with the R4 definitions among them; skips where npm cannot get them."""
    return npm_packages(PACKAGES, [f"@medplum/{name}@{_VERSION}" for name in _NAMES], seconds=120)


def _wait(url: str, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"Medplum's server ended: {process.stderr and process.stderr.read()[-2000:]}")
        try:
            httpx.get(f"{url}/Patient")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Medplum's server did not start within a minute")
