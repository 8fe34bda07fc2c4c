"""A subscriber behind a real server: it keeps what it is sent, and answers as a test wants."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ainode_fhir.datatypes import Json
from peers.web import serving


@dataclass
class Subscriber:
    """What it was sent, in order, and how it answers."""

    url: str = ""
    bundles: list[Json] = field(default_factory=list)
    """Those that it took."""
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers, 200 behind them."""
    pause: float = 0.0
    """Seconds before it answers."""
    asked: int = 0

    async def take(self, request: Request) -> Response:
        """``POST`` of a notification."""
        body = await request.json()
        self.asked += 1
        Bundle.model_validate(body)
        if self.pause:
            await run_in_threadpool(time.sleep, self.pause)
        status = self.answers.pop(0) if self.answers else 200
        if 200 <= status < 300:
            self.bundles.append(body)
            self.headers.append(dict(request.headers))
        return Response(status_code=status, headers={"location": f"{self.url}/moved"} if status == 307 else None)

    @property
    def kinds(self) -> list[str]:
        """Types of the notifications that it took."""
        return [str(value_of(bundle, "type")) for bundle in self.bundles]

    @property
    def numbers(self) -> list[int]:
        """Numbers of the events that it took, in order."""
        return [int(part) for bundle in self.bundles for part in events_of(bundle, "event-number")]

    @property
    def focuses(self) -> list[str]:
        """What these events were about."""
        return [str(part["reference"]) for bundle in self.bundles for part in events_of(bundle, "focus")]


def value_of(bundle: Json, name: str) -> Any:
    """A parameter of the status, which is the first entry."""
    status = bundle["entry"][0]["resource"]
    assert status["resourceType"] == "Parameters"
    (parameter,) = [each for each in status["parameter"] if each["name"] == name]
    return next(value for key, value in parameter.items() if key.startswith("value"))


def events_of(bundle: Json, name: str) -> Iterator[Any]:
    """A part of each event in a notification."""
    for parameter in bundle["entry"][0]["resource"]["parameter"]:
        for part in parameter.get("part", ()):
            if part["name"] == name:
                yield next(value for key, value in part.items() if key.startswith("value"))


@contextmanager
def subscriber(port: int = 0) -> Iterator[Subscriber]:
    """One on loopback, on a free port unless it is said."""
    heard = Subscriber()
    app = Starlette(routes=[Route("/hook", heard.take, methods=["POST"])])
    with serving(app, **({"port": port} if port else {})) as root:
        heard.url = f"{root}/hook"
        yield heard
