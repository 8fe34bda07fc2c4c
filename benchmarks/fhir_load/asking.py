"""Clients that ask one question after the other over a connection that stays open."""

import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from multiprocessing import get_context
from statistics import median, quantiles
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Question:
    """One search."""

    kind: str
    parameters: tuple[tuple[str, str], ...] = ()
    matches: int | None = None
    """How many resources it must find; None where any number but none will do."""

    @property
    def path(self) -> str:
        """Below the base URL."""
        return f"{self.kind}?{urlencode(self.parameters)}"


@dataclass(frozen=True)
class Answers:
    """How long answers took, in the order of the questions."""

    seconds: tuple[float, ...]
    wrong: tuple[str, ...]
    """What was answered wrongly, each with the question."""
    sizes: tuple[int, ...]
    """Bytes."""

    @property
    def p50_ms(self) -> float:
        """Half of them were there in so many milliseconds."""
        return round(median(self.seconds) * 1000, 2)

    @property
    def p95_ms(self) -> float:
        """Nineteen of twenty."""
        return round(quantiles(self.seconds, n=20, method="inclusive")[-1] * 1000, 2)


def ask(url: str, token: str, questions: Iterable[Question]) -> Answers:
    """Ask the questions of the server at ``url``; the answers are looked at after the clock has stopped."""
    parts = urlsplit(url)
    headers = {"Authorization": token, "Accept": "application/fhir+json"}
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    seconds, wrong, sizes = [], [], []
    for question in questions:
        began = time.perf_counter()
        connection.request("GET", f"{parts.path}/{question.path}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        seconds.append(time.perf_counter() - began)
        sizes.append(len(body))
        fault = _fault(question, answer.status, body)
        wrong += [f"{question.path}: {fault}"] if fault else []
    connection.close()
    return Answers(tuple(seconds), tuple(wrong), tuple(sizes))


def ask_at_once(url: str, token: str, portions: Sequence[Sequence[Question]]) -> list[Answers]:
    """The same by as many clients as there are portions, each a process of its own."""
    with ProcessPoolExecutor(len(portions), mp_context=get_context("spawn")) as pool:
        return list(pool.map(ask, [url] * len(portions), [token] * len(portions), portions))


def _fault(question: Question, status: int, body: bytes) -> str:
    if status != 200:
        return f"HTTP {status}"
    entries = json.loads(body).get("entry", [])
    found = sum(entry["search"]["mode"] == "match" for entry in entries)
    if question.matches is None:
        return "" if found else "nothing found"
    return "" if found == question.matches else f"found {found} instead of {question.matches}"
