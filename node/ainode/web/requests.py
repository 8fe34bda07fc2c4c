"""One log line and one count for each HTTP request."""

import time

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

REQUESTS = Counter("ainode_http_requests", "HTTP requests answered.", ["method", "status"])
SECONDS = Histogram("ainode_http_request_seconds", "Time to answer an HTTP request.", ["method"])
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    """ASGI middleware; the query string is left out, for it may name a patient."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - began
            # Any word is a method to HTTP; each would be a time series for ever.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(method=method, status=status).inc()
            SECONDS.labels(method=method).observe(seconds)
            log.info("request", method=method, path=scope["path"], status=status, seconds=round(seconds, 4))
