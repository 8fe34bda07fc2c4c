"""An ASGI application behind a real server on a free port of loopback, with or without TLS."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from peers.orthanc import free_port


@contextmanager
def serving(app: ASGIApp, **options: Any) -> Iterator[str]:
    """Address of ``app`` while it is served; ``options`` are uvicorn's, such as ``ssl_certfile``."""
    port = options.pop("port", None) or free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server ended before it started"
            time.sleep(0.02)
        yield f"{'https' if 'ssl_certfile' in options else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
