"""Does the node stand whatever a peer may send: 20,000 broken PDUs, command sets and data sets.

    make fuzz-receive [COUNT=20000] [SEED=1]

A node of its own is spoken to over plain sockets. After each batch it must answer C-ECHO, and store and index a whole
object; what it stored of the broken ones is then read as volumes, in processes whose memory is limited.
"""

import argparse
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from peers.fuzz_run import Tally, run_batches, unsettled
from peers.fuzzer import Fuzzer
from peers.seeds import seeds
from peers.volume_reader import READ, REFUSED, outcomes
from peers.watched_node import WatchedNode

ROOT = Path(__file__).resolve().parents[1]
BATCH = 500
console = Console()


def main() -> None:
    """Fuzz, print and write ``build/fuzz-receive.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", default="1")
    arguments = parser.parse_args()
    work = ROOT / "build" / "fuzz"
    shutil.rmtree(work, ignore_errors=True)
    with WatchedNode(work) as node:
        rows = fuzz(node, count=arguments.count, seed=arguments.seed)
    report = Report(
        name="fuzz-receive",
        rows=tuple(rows),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "fuzz-receive.json")
    console.print(report.table())
    if not report.holds:
        raise SystemExit(f"see {node.log}")
    shutil.rmtree(work)


def fuzz(node: WatchedNode, *, count: int, seed: str) -> list[Row]:
    """All of it, as rows."""
    known = seeds(node.root / "seeds")
    fuzzer = Fuzzer(node.port, known, seed=seed)
    idle = {field: node.status(field) for field in ("VmRSS", "Threads")}
    tally = run_batches(node, fuzzer, known[0], count=count, batch=BATCH, told=lambda tally: _tell(node, tally))
    node.wait(lambda: not unsettled(node, tally), "an end of indexing", seconds=600)
    node.wait(lambda: node.status("Threads") <= idle["Threads"] + 2, "the end of all associations", seconds=60)
    outside = node.outside(ignore=("seeds",))
    for name in outside:
        console.print(f"[red]outside of the spool: {name!r}")
    peak = (node.status("VmHWM") - idle["VmRSS"]) / 1024
    return [
        *_outcome_rows(tally),
        Row.judged("hangs", tally.of("hang"), unit="1", goal="= 0"),
        Row.judged("node_restarts", int(not node.is_alive), unit="1", goal="= 0"),
        Row(metric="checks", value=tally.checks, unit="1"),
        Row.judged("checks_failed", len(tally.checks_failed), unit="1", goal="= 0"),
        Row.judged("peak_memory_above_idle_mb", round(peak, 1), unit="MB", goal="< 150"),
        Row.judged("files_outside_spool", len(outside), unit="1", goal="= 0"),
        Row.judged("partial_files_left", len(os.listdir(node.spool / "incoming")), unit="1", goal="= 0"),  # noqa: PTH208
        Row.judged("tracebacks", node.log.read_text(errors="replace").count("Traceback"), unit="1", goal="= 0"),
        *_index_rows(node, tally),
        *_volume_rows(node),
    ]


def _outcome_rows(tally: Tally) -> list[Row]:
    rows = []
    for kind in ("pdu", "command", "data_set"):
        found = {how: tally.outcomes[kind, how] for how in ("answered", "aborted", "hang")}
        rows.append(Row(metric=f"mutations_{kind}", value=sum(found.values()), unit="1"))
        rows += [Row(metric=f"{how}_{kind}", value=found[how], unit="1") for how in ("answered", "aborted")]
    return rows


def _index_rows(node: WatchedNode, tally: Tally) -> list[Row]:
    states = Counter(state for uid, _, state, _ in node.rows() if uid in tally.acknowledged)
    return [
        Row(metric="acknowledged", value=len(tally.acknowledged), unit="1"),
        *(Row(metric=state, value=states[state], unit="1") for state in ("indexed", "refused")),
        Row.judged("acknowledged_unsettled", len(unsettled(node, tally)), unit="1", goal="= 0"),
    ]


def _volume_rows(node: WatchedNode) -> list[Row]:
    paths = sorted({node.spool / path for _, path, _, _ in node.rows()})
    with ThreadPoolExecutor(2) as pool:
        found = dict(pair for part in pool.map(lambda n: list(outcomes(paths[n::2])), range(2)) for pair in part)
    odd = {path: what for path, what in found.items() if what not in (READ, REFUSED)}
    for path, what in odd.items():
        console.print(f"[red]{path.name[:12]}[/]: {what}", highlight=False)
    return [
        Row(metric="volumes_read", value=sum(what == READ for what in found.values()), unit="1"),
        Row(metric="volumes_refused", value=sum(what == REFUSED for what in found.values()), unit="1"),
        Row.judged("volumes_failed_otherwise", len(odd), unit="1", goal="= 0"),
    ]


def _tell(node: WatchedNode, tally: Tally) -> None:
    done, memory = tally.outcomes.total(), node.status("VmRSS") / 1024
    console.print(f"{done} conversations, {memory:.0f} MB, {tally.of('hang')} hangs", *tally.checks_failed)


main()
