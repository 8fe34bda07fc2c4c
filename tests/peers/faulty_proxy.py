"""A proxy before a FHIR server that spoils a share of the exchanges, each in one of the ways in which networks do.

Which exchange is spoilt, and how, follows from a seed and from the order of the requests.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import httpx


@dataclass(frozen=True)
class Sent:
    """A request as it came."""

    method: str
    path: str
    body: bytes


class Fault(Enum):
    """What becomes of an exchange."""

    REFUSED = "503, and the server never saw it"
    CONFLICT = "409, as servers answer whose transactions collide"
    FAILED_AFTER = "taken, but the answer is 502"
    LOST = "taken, but the connection ends without an answer"
    UNHEARD = "neither taken nor answered: the client waits in vain"
    SILENT = "taken, but not answered: the client waits in vain"
    LATE = "not answered, and taken after some of the next requests"
    TWICE = "taken twice, one after the other"
    AT_ONCE = "taken twice at the same time"
    REPEATED = "taken, and the answer sent twice on one connection"
    CUT = "taken, but the answer ends in its middle"
    CUT_UNNOTICED = "as before, with nothing that says how long it should be"


class FaultyProxy:
    """Forwards to ``upstream``; of all requests ``share`` get one of ``faults``."""

    def __init__(self, upstream: str, *, seed: int, share: float, faults: Sequence[Fault] = tuple(Fault)) -> None:
        self.url = ""
        self.met: Counter[Fault] = Counter()
        self._upstream = upstream
        self._random = Random(seed)
        self._share = share
        self._faults = _in_turns(faults, Random(seed))
        self._lock = threading.Lock()
        self._late: list[tuple[int, Sent]] = []
        self._requests = 0
        self._client = httpx.Client(trust_env=False, timeout=60)

    def fault(self) -> Fault | None:
        """The fault of the next request."""
        with self._lock:
            self._requests += 1
            if self._random.random() >= self._share:
                return None
            fault = next(self._faults)
            self.met[fault] += 1
            return fault

    def forward(self, sent: Sent) -> httpx.Response:
        """The server's answer."""
        content = {"content-type": "application/fhir+json"} if sent.body else {}
        return self._client.request(sent.method, f"{self._upstream}{sent.path}", content=sent.body, headers=content)

    def forward_twice(self, sent: Sent) -> httpx.Response:
        """The answer to the second of two."""
        self.forward(sent)
        return self.forward(sent)

    def forward_at_once(self, sent: Sent) -> httpx.Response:
        """One of the two answers to a request that the server gets twice at the same time."""
        other = threading.Thread(target=self.forward, args=[sent])
        other.start()
        answer = self.forward(sent)
        other.join()
        return answer

    def delay(self, sent: Sent) -> httpx.Response:
        """Hold a request back until two to six more have come."""
        with self._lock:
            self._late.append((self._requests + 2 + len(sent.body) % 5, sent))
        return _ignored(sent)

    def forward_late(self, *, every: bool = False) -> None:
        """Forward what was held back long enough, or everything."""
        with self._lock:
            due = [sent for when, sent in self._late if every or when <= self._requests]
            self._late = [held for held in self._late if held[1] not in due]
        for sent in due:
            self.forward(sent)

    def close(self) -> None:
        """End the connections to the server."""
        self._client.close()


@contextmanager
def faulty_proxy(
    upstream: str, *, seed: int, share: float, faults: Sequence[Fault] = tuple(Fault)
) -> Iterator[FaultyProxy]:
    """A proxy on a free port."""
    proxy = FaultyProxy(upstream, seed=seed, share=share, faults=faults)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy)) as server:
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
            proxy.close()


def _in_turns(faults: Sequence[Fault], random: Random) -> Iterator[Fault]:
    """Each of ``faults`` once in an order of its own, then again."""
    while True:
        yield from random.sample(faults, len(faults))


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Nothing: a test reads what it asks for."""

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sent = Sent(self.command, self.path, body)
            fault = proxy.fault()
            proxy.forward_late()
            with suppress(ConnectionError):  # the client has what it wants, or gave up
                answer = taken.get(fault, proxy.forward)(sent)
                answered.get(fault, Handler._answer)(self, answer)

        def _answer(self, answer: httpx.Response, *, times: int = 1) -> None:
            head = f"HTTP/1.1 {answer.status_code} As Told\r\nContent-Type: application/fhir+json\r\n"
            whole = f"{head}Content-Length: {len(answer.content)}\r\n\r\n".encode() + answer.content
            self.wfile.write(whole * times)

        def _fail(self, status: int) -> None:
            self._answer(httpx.Response(status, content=b"<html>proxy</html>"))

        def _hang_up(self) -> None:
            self.close_connection = True

        def _wait_in_vain(self) -> None:
            self.connection.recv(1)  # until the client gives up
            self._hang_up()

        def _cut(self, answer: httpx.Response, *, told: bool) -> None:
            length = f"Content-Length: {len(answer.content)}\r\n" if told else ""
            head = f"HTTP/1.1 {answer.status_code} As Told\r\n{length}Connection: close\r\n\r\n"
            self.wfile.write(head.encode() + answer.content[: len(answer.content) // 2])
            self._hang_up()

    taken: dict[Fault | None, Callable[[Sent], httpx.Response]] = {
        Fault.REFUSED: _ignored,
        Fault.CONFLICT: _ignored,
        Fault.UNHEARD: _ignored,
        Fault.LATE: proxy.delay,
        Fault.TWICE: proxy.forward_twice,
        Fault.AT_ONCE: proxy.forward_at_once,
    }
    answered: dict[Fault | None, Callable[[Handler, httpx.Response], None]] = {
        Fault.REFUSED: lambda to, _: to._fail(503),
        Fault.CONFLICT: lambda to, _: to._fail(409),
        Fault.FAILED_AFTER: lambda to, _: to._fail(502),
        Fault.LOST: lambda to, _: to._hang_up(),
        Fault.UNHEARD: lambda to, _: to._wait_in_vain(),
        Fault.SILENT: lambda to, _: to._wait_in_vain(),
        Fault.LATE: lambda to, _: to._hang_up(),
        Fault.REPEATED: lambda to, answer: to._answer(answer, times=2),
        Fault.CUT: lambda to, answer: to._cut(answer, told=True),
        Fault.CUT_UNNOTICED: lambda to, answer: to._cut(answer, told=False),
    }
    return Handler


def _ignored(_sent: Sent) -> httpx.Response:
    return httpx.Response(503)
