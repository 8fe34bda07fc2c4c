"""How fast does a FHIR server with 100,000 reports and 1,000,000 Observations answer, on PostgreSQL and on SQLite.

    make bench-fhir                  # REPORTS=2000 for fewer

A database is filled in bulk with what the node's own encoder and index write; then `ainode serve` is started on it and
asked over HTTP, with an access token of SMART Backend Services, over connections that stay open. `search_*` is by
patient, category and date, by one client. `searches_per_core` is by four clients at once: searches answered, divided by
the seconds that the node and PostgreSQL computed meanwhile (user and system, all their processes and threads, what the
node does beside searches included); the clients' own time is left out. Each answer is checked against what was filled
in.
"""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import mean

from rich.console import Console

from ainode.journal.database import open_database
from ainode.measurement import Machine, Report, Row, commit_of
from fhir_load.asking import Answers, Question, ask, ask_at_once
from fhir_load.filling import Filling
from fhir_load.questions import NAMES, PAGES, Questions
from fhir_load.stand import Stand, stand
from peers.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1000, 10_000)
"""Reports at which the first pages are measured, beside all of them."""
_CLIENTS = 4
_WARM = 30
"""Questions before the clock runs."""


class Bench:
    """The measurements on one database."""

    def __init__(self, prefix: str, *, rounds: int, console: Console) -> None:
        self.rows: list[Row] = []
        self._prefix = prefix
        self._rounds = rounds
        self._console = console
        self._pages: dict[str, list[float]] = {}

    def pages(self, server: Stand, reports: int) -> None:
        """First pages, which should take as long in a large database as in a small one."""
        for name, question in PAGES.items():
            answers = self._ask(server, [question] * max(10, self._rounds // 10))
            self._pages.setdefault(name, []).append(answers.p50_ms)
            self._note(f"page_{name}_{_short(reports)}_p50_ms", answers.p50_ms, "ms")

    def searches(self, server: Stand, filling: Filling) -> None:
        """By patient, category and date; chains; with what belongs to a report; several clients at once."""
        questions = Questions(filling, seed=2)
        answers = self._ask(server, [questions.search() for _ in range(self._rounds)])
        self._note("search_p50_ms", answers.p50_ms, "ms")
        self._note("search_p95_ms", answers.p95_ms, "ms", goal="<= 15")
        self._note("search_kb", round(mean(answers.sizes) / 1000, 1), "kB")
        for name in NAMES:
            answers = self._ask(server, [questions.of(name) for _ in range(max(10, self._rounds // 5))])
            self._note(f"{name}_p50_ms", answers.p50_ms, "ms")
            self._note(f"{name}_p95_ms", answers.p95_ms, "ms")
        self._note("searches_per_core", self._per_core(server, questions), "/s", goal=">= 400")

    def growth(self) -> None:
        """How much longer a first page takes in the largest database than in the smallest."""
        for name, values in self._pages.items():
            if len(values) > 1:
                self._note(f"page_{name}_growth", round(values[-1] / values[0], 2), "1", goal="<= 1.5")

    def _per_core(self, server: Stand, questions: Questions) -> float:
        token = server.token()
        portions, more = ([[questions.search() for _ in range(self._rounds)] for _ in range(_CLIENTS)] for _ in "12")
        _checked(ask_at_once(server.url, token, portions))  # warm: every connection has its statements prepared
        before = server.cpu_s()
        answers = _checked(ask_at_once(server.url, token, more))
        return round(sum(len(each.seconds) for each in answers) / (server.cpu_s() - before), 1)

    def _ask(self, server: Stand, questions: list[Question]) -> Answers:
        token = server.token()
        ask(server.url, token, questions[:_WARM])
        (answers,) = _checked([ask(server.url, token, questions)])
        return answers

    def _note(self, metric: str, value: float, unit: str, *, goal: str = "") -> None:
        name = f"{self._prefix}{metric}"
        self._console.print(f"{name}: {value}", highlight=False)
        self.rows.append(
            Row.judged(name, value, unit=unit, goal=goal) if goal else Row(metric=name, value=value, unit=unit)
        )


def measured(url: str, folder: Path, bench: Bench, *, reports: int, database_pid: int | None = None) -> tuple[Row, ...]:
    """The rows of one database, which is empty and has the address ``url``."""
    engine = open_database(url)
    filling = Filling(engine)
    for size in (*(each for each in SIZES if each < reports), reports):
        filling.fill(size)
        with stand(folder / str(size), database=url, database_pid=database_pid) as server:
            bench.pages(server, size)
            if size == reports:
                bench.searches(server, filling)
    engine.dispose()
    bench.growth()
    counts = {"reports": filling.reports, "observations": filling.observations, "patients": len(filling.patients)}
    return (*(Row(metric=name, value=count, unit="1") for name, count in counts.items()), *bench.rows)


def main() -> None:
    """Measure, print and write ``build/bench/fhir.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=500, help="searches of each client")
    parser.add_argument("--only", nargs="*", default=["postgresql", "sqlite"])
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench" / "work-fhir")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "fhir.json")
    arguments = parser.parse_args()
    console = Console()
    rows = {row.metric: row for row in _rows(arguments, console)}
    report = Report(
        name="fhir",
        rows=tuple(rows.values()),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(arguments.out)
    console.print(report.table())


def _rows(arguments: argparse.Namespace, console: Console) -> Iterator[Row]:
    for name in arguments.only:
        folder: Path = arguments.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with ExitStack() as stack:
            bench = Bench("" if name == "postgresql" else f"{name}_", rounds=arguments.rounds, console=console)
            if name == "postgresql":
                postgres = stack.enter_context(
                    PostgresServer(shared_buffers="1GB")
                )  # as in docker-compose.postgres.yml
                url, pid = postgres.database("fhir"), postgres.pid
            else:
                url, pid = f"sqlite:///{folder / 'journal.sqlite'}", None
            yield from measured(url, folder, bench, reports=arguments.reports, database_pid=pid)
        shutil.rmtree(folder)


def _checked(answers: list[Answers]) -> list[Answers]:
    """The same; RuntimeError when one of them is wrong, for then it does not matter how fast it was."""
    wrong = [each for some in answers for each in some.wrong]
    if wrong:
        raise RuntimeError(f"{len(wrong)} answers were wrong, the first to {wrong[0]}")
    return answers


def _short(reports: int) -> str:
    return f"{reports // 1000}k" if reports >= 1000 else str(reports)


if __name__ == "__main__":
    main()
