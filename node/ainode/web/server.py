"""The HTTP application and the thread that serves it."""

import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ainode.health import WARNING
from ainode.web.requests import RequestLog
from ainode_models.errors import ConfigError

Health = Callable[[], Mapping[str, str]]
"""Part of the node -> ``ok``, a warning, or what is wrong with it."""


def build_app(*, health: Health, fhir: Sequence[BaseRoute], more: Sequence[BaseRoute] = ()) -> Starlette:
    """Routes ``/health`` (200 or 503), ``/metrics`` (Prometheus text), ``/fhir``, and ``more`` at the root."""

    def show_health(_request: Request) -> Response:
        parts = dict(health())
        status = _status(parts.values())
        return JSONResponse({"status": status, "parts": parts}, status_code=503 if status == "failing" else 200)

    def show_metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    ours = [Route("/health", show_health), Route("/metrics", show_metrics), Mount("/fhir", routes=fhir)]
    return Starlette(
        routes=[*ours, *more],
        middleware=[Middleware(RequestLog)],
    )


def _status(parts: Collection[str]) -> str:
    """A warning is no reason to restart the node, or to send nobody to it."""
    if all(state == "ok" for state in parts):
        return "ok"
    return "warning" if all(state == "ok" or state.startswith(WARNING) for state in parts) else "failing"


class WebServer:
    """uvicorn in a thread of its own."""

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        config = uvicorn.Config(app, log_config=None, access_log=False)
        self._address = (host, port)
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start serving; raises ``ConfigError`` when the address cannot be had."""
        # Bound here: uvicorn would end its thread for it, and the node would go on without.
        listener = _listen(*self._address)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer the requests under way, then end."""
        self._server.should_exit = True
        if self._thread:
            self._thread.join(timeout=10)


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Connections inherit it. asyncio sets it by itself only on sockets that it made; without, the body of an answer
        # waits for the acknowledgement of its head, which takes 40 ms on a connection that stays open.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener  # noqa: TRY300 - what fails above is told below
    except OSError as exc:
        why = str(exc.strerror).partition(" (while")[0]
        raise ConfigError(
            f"cannot listen on {host} port {port} for HTTP: {why}; choose another [web] host or port, or end the "
            "program that holds it"
        ) from exc
