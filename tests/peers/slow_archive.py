"""A reverse proxy before an archive that does not answer a STOW-RS request until told to."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx


class SlowArchive:
    """Passes everything on to ``target``; the first store is done there, and its answer held back."""

    def __init__(self, target: str) -> None:
        self.holding = threading.Event()
        """Set when the archive has stored and the answer is held back."""
        self.stores = 0
        self._go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(target))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Root of the proxy."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def let_go(self) -> None:
        """Answer at once from now on."""
        self._go.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, target: str) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._pass_on(b"")

            def do_POST(self) -> None:
                proxy.stores += 1
                self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

            def _pass_on(self, body: bytes) -> None:
                headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
                answer = httpx.request(
                    self.command, target + self.path, content=body, headers=headers, trust_env=False, timeout=60
                )
                if body:
                    proxy.holding.set()
                    proxy._go.wait(60)
                self._answer(answer)

            def _answer(self, answer: httpx.Response) -> None:
                try:
                    self.send_response(answer.status_code)
                    self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                    self.send_header("Content-Length", str(len(answer.content)))
                    self.end_headers()
                    self.wfile.write(answer.content)
                except ConnectionError:
                    self.close_connection = True  # the node was killed meanwhile

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
                pass

        return Handler
