"""Health, metrics and logs: what people watch a node by, without a word about patients."""

import errno
import itertools
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import structlog

import ainode.app  # noqa: F401 - all that counts is loaded
from ainode.health import Health
from ainode.journal.database import open_database
from ainode.journal.studies import StudyJournal
from ainode.logs import configure_logs
from ainode.loop import Loop
from ainode.receive.free_space import FreeSpace
from ainode.web.server import WebServer, _listen, build_app
from ainode_models.errors import ConfigError, PeerUnreachable
from peers.disk import Disk
from peers.shared_data import ROOT
from peers.web import serving


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop("indexer", lambda: 0, interval=0.01)
    loop.start()
    yield loop
    loop.stop()


@pytest.fixture
def disk() -> Disk:
    return Disk(total=1 << 40, free=1 << 39)


@pytest.fixture
def url(tmp_path: Path, engine: sa.Engine, loop: Loop, disk: Disk) -> Iterator[str]:
    """A server that shows the health of a journal, a disk and one loop."""
    space = FreeSpace((tmp_path,), least_bytes=1 << 30, least_percent=0, clock=itertools.count().__next__, statvfs=disk)
    health = Health([loop], StudyJournal(engine, time.time), space)
    with serving(build_app(health=health.parts, fhir=[])) as url:
        yield url


def health_of(url: str, status: str = "") -> tuple[int, Mapping[str, str]]:
    answer = httpx.get(f"{url}/health", trust_env=False)
    body = answer.json()
    assert body["status"] == (status or ("ok" if answer.status_code == 200 else "failing"))
    return answer.status_code, body["parts"]


def test_health_is_503_and_names_the_loop_that_has_ended(url: str, loop: Loop) -> None:
    assert health_of(url) == (200, {"journal": "ok", "disk": "ok", "indexer": "ok"})
    loop.stop()
    assert health_of(url) == (503, {"journal": "ok", "disk": "ok", "indexer": "ended"})


def test_a_disk_below_its_mark_is_a_warning_and_one_that_cannot_be_asked_a_failure(url: str, disk: Disk) -> None:
    disk.free = (1 << 30) - 1
    code, parts = health_of(url, status="warning")
    assert (code, {*parts} - {"disk"}) == (200, {"journal", "indexer"})
    assert re.match(r"warning: \S+ has 1023 MiB free, less than the 1024 MiB that are kept free", parts["disk"])
    disk.error = OSError(errno.EIO, "Input/output error")
    assert health_of(url)[1]["disk"] == "cannot be asked: Input/output error"


def test_health_is_503_when_the_database_cannot_be_asked(url: str, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE studies"))
    assert health_of(url) == (503, {"journal": "OperationalError", "disk": "ok", "indexer": "ok"})


def test_the_metrics_are_those_that_are_documented(url: str) -> None:
    httpx.get(f"{url}/health", trust_env=False)
    answer = httpx.get(f"{url}/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    kinds = dict(re.findall(r"^# TYPE (ainode_\w+) (counter|gauge|histogram)$", answer.text, re.MULTILINE))
    kinds = {name: kind for name, kind in kinds.items() if not name.endswith("_created")}  # when each began to count
    helped = set(re.findall(r"^# HELP (ainode_\w+) \S.*$", answer.text, re.MULTILINE))
    assert helped >= kinds.keys()
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert dict(re.findall(r"^\| `(ainode_\w+)` \| (counter|gauge|histogram) \|", page, re.MULTILINE)) == kinds
    counted = r'^ainode_http_requests_total\{method="GET",status="200"\} [1-9]'
    while not re.search(counted, answer.text, re.MULTILINE):  # a request counts after its answer
        answer = httpx.get(f"{url}/metrics", trust_env=False)


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Logs as a node writes them; undone afterwards."""
    root = logging.getLogger()
    before = root.handlers, root.level
    yield capsys
    root.handlers, root.level = before
    structlog.reset_defaults()


def test_each_log_line_is_one_json_object_whoever_wrote_it(logs: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="info", form="auto")
    log = structlog.get_logger()
    log.debug("not said")
    log.info("study", study="1.2.3", reason="line one\nline two")
    logging.getLogger("some.library").warning("took %d s", 3)
    logging.getLogger("httpx").info("GET https://pacs/studies?PatientID=4711")
    try:
        int("seven")
    except ValueError:
        log.exception("step failed", loop="fetch")
    ours, theirs, failed = [json.loads(line) for line in logs.readouterr().out.splitlines()]
    assert datetime.fromisoformat(ours.pop("timestamp")).utcoffset() == timedelta(0)
    assert ours == {"event": "study", "level": "info", "study": "1.2.3", "reason": "line one\nline two"}
    assert (theirs["event"], theirs["level"]) == ("took 3 s", "warning")
    assert failed["exception"] == "ValueError"
    assert "test_each_log_line" in failed["frames"][-1]
    assert "seven" not in json.dumps(failed)  # what an exception quotes may be a patient's


def test_the_level_and_the_form_of_the_log_are_settings(logs: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="warning", form="console")
    structlog.get_logger().info("not said")
    structlog.get_logger().warning("said", loop="fetch")
    (line,) = logs.readouterr().out.splitlines()
    assert "said" in line
    assert "loop" in line
    assert not line.startswith("{")


def test_a_request_is_one_line_without_its_query(url: str, logs: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="info", form="json")
    httpx.get(f"{url}/fhir/DiagnosticReport?patient.identifier=sys|P-4711", trust_env=False)
    httpx.post(f"{url}/health?name=Mustermann", trust_env=False)
    said = ""
    while said.count('"request"') < 2:  # the line comes after the answer
        said += logs.readouterr().out
        time.sleep(0.01)
    lines = [json.loads(line) for line in said.splitlines()]
    asked = [(line["method"], line["path"], line["status"]) for line in lines if line["event"] == "request"]
    assert asked == [("GET", "/fhir/DiagnosticReport", 404), ("POST", "/health", 405)]
    assert "4711" not in said
    assert "Mustermann" not in said


def test_the_body_of_an_answer_does_not_wait_for_its_head_to_be_acknowledged() -> None:
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_http_port_that_is_taken_is_an_error_that_says_so() -> None:
    app = build_app(health=dict, fhir=[])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1 port {port} for HTTP: Address already in"):
            WebServer(app, host="127.0.0.1", port=port).start()
    server = WebServer(app, host="127.0.0.1", port=port)
    server.start()
    assert health_of(f"http://127.0.0.1:{port}") == (200, {})
    server.stop()
    with pytest.raises(httpx.ConnectError):
        health_of(f"http://127.0.0.1:{port}")


def test_a_loop_goes_on_after_errors_and_says_the_same_one_once(logs: pytest.CaptureFixture[str]) -> None:
    configure_logs(level="info", form="json")
    steps: list[Exception | None] = [
        PeerUnreachable("pacs is down"),
        PeerUnreachable("pacs is down"),
        None,
        PeerUnreachable("pacs is down"),
        ZeroDivisionError(),
        ZeroDivisionError(),
        None,
    ]
    done = threading.Event()

    def step() -> int:
        error = steps.pop(0) if steps else None
        if not steps:
            done.set()
        if error:
            raise error
        return 0

    loop = Loop("deliver pacs", step, interval=0.001)
    loop.start()
    assert done.wait(20)
    assert loop.alive
    loop.stop()
    lines = [json.loads(line) for line in logs.readouterr().out.splitlines()]
    assert [(line["level"], line.get("reason")) for line in lines] == [
        ("warning", "pacs is down"),
        ("warning", "pacs is down"),
        ("error", None),
    ]


def test_a_loop_wakes_those_that_it_makes_work_for_and_comes_back_when_it_said() -> None:
    rests, woken = threading.Event(), threading.Event()
    todo = [1, 0, 0]

    def wait() -> int:
        (woken if rests.is_set() else rests).set()
        return 0

    second = Loop("second", wait, interval=3600)
    first = Loop("first", lambda: todo.pop(0) if todo else 0, interval=3600, rest=lambda: 0.0, then=[second])
    second.start()
    assert rests.wait(30)
    first.start()
    try:
        assert woken.wait(30)
        deadline = time.monotonic() + 30
        while todo:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        first.stop()
        second.stop()
