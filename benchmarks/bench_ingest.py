"""How fast are 1,000 CT slices received, safe on disk: this node, Orthanc, dcmtk's storescp, a bare durable sink.

    make bench-ingest

The receivers take turns in one run, each empty at every turn; dcmtk's storescu sends, with TCP_NODELAY=1 everywhere.
Then all of them with one stream that is longer than the node's stock of files, the node and Orthanc with 200,000
instances in the index of each, and the memory for one large object.
"""

import argparse
import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import median

from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from ct_slices import write_slices
from full_index import FULL, fill
from large_object import extra_megabytes
from receivers import Index, Start, node, orthanc, sink, storescp
from sending import send

ROOT = Path(__file__).resolve().parents[1]
RECEIVERS: dict[str, Start] = {"node": node, "orthanc": orthanc, "storescp": storescp, "sink": sink}
_REST = 2.0
"""Seconds between measurements, in which the disk comes to rest."""
_LONG = "1_long"

Seconds = dict[tuple[str, str], list[float]]
"""For ``--slices`` of them, by receiver and kind of measurement: ``1`` and ``4`` senders, ``indexed``, ``1_200k``."""


class Bench:
    """The measurements, as they come."""

    def __init__(self, work: Path, console: Console, slices: int) -> None:
        self.seconds: Seconds = {}
        self._work = work
        self._console = console
        self._slices = slices

    def empty(self, name: str, senders: int) -> None:
        """Measure a fresh receiver."""
        folders = write_slices(self._work / "ct", self._slices, folders=4)
        folder = Path(tempfile.mkdtemp(prefix=f"run-{name}-", dir=self._work))
        with ExitStack() as stack:
            receiver = RECEIVERS[name](folder, stack)
            self._rest()
            began = time.perf_counter()
            self._note(name, str(senders), send(folders if senders == 4 else [folders[0].parent], receiver))
            if name == "node" and senders == 1:
                Index(folder).wait_for(self._slices)
                self._note(name, "indexed", time.perf_counter() - began)

    def full(self, name: str, count: int, turn: int) -> None:
        """Measure a receiver that holds ``count`` instances, with slices that it does not hold."""
        slices = self._work / f"ct-{turn}"
        write_slices(slices, self._slices, folders=4)
        with ExitStack() as stack:
            receiver = FULL[name](fill(name, self._work, count), stack)
            self._rest()
            self._note(name, f"1_{count // 1000}k", send([slices], receiver))

    def long(self, name: str, count: int) -> None:
        """Measure a fresh receiver with so many slices, one after the other, that it must index them meanwhile."""
        slices = self._work / "ct-long"
        write_slices(slices, count, folders=1)
        with ExitStack() as stack:
            receiver = RECEIVERS[name](Path(tempfile.mkdtemp(prefix=f"run-{name}-", dir=self._work)), stack)
            self._rest()
            self._note(name, _LONG, send([slices], receiver) / count * self._slices)

    def clear(self) -> None:
        """Remove what the receivers wrote; not between two measurements, for the disk works on it for seconds."""
        for folder in self._work.glob("run-*"):
            shutil.rmtree(folder)

    def _rest(self) -> None:
        os.sync()
        time.sleep(_REST)

    def _note(self, name: str, kind: str, seconds: float) -> None:
        self.seconds.setdefault((name, kind), []).append(seconds)
        self._console.print(f"{name}, {kind}: {seconds:.2f} s", highlight=False)


def main() -> None:
    """Measure, print and write ``build/bench/ingest.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(RECEIVERS))
    parser.add_argument("--long", type=int, default=4000, help="slices of the one long stream; 0: none")
    parser.add_argument(
        "--full", type=int, default=200_000, help="instances in the index of the last comparison; 0: none"
    )
    arguments = parser.parse_args()
    work = ROOT / "build" / "bench" / "work"
    work.mkdir(parents=True, exist_ok=True)
    console = Console()
    bench = Bench(work, console, arguments.slices)
    for _ in range(arguments.rounds):
        for senders in (1, 4):
            for name in arguments.only:
                bench.empty(name, senders)
        bench.clear()
    for name in arguments.only if arguments.long else ():
        bench.long(name, arguments.long)
    bench.clear()
    for turn in range(arguments.rounds if arguments.full else 0):
        for name in FULL:
            bench.full(name, arguments.full, turn)
    found = rows({key: median(values) for key, values in bench.seconds.items()}, arguments.slices)
    large = round(extra_megabytes(work), 1)
    found.append(Row.judged("large_object_extra_mb", large, unit="MB", goal="< 100", peer="itself, idle"))
    report = Report(
        name="ingest",
        rows=tuple(found),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "bench" / "ingest.json")
    console.print(report.table())


_RATIOS = (
    # metric, measured kind, receiver over which, goal
    ("orthanc_ratio_1", "1", "orthanc", ">= 2.5"),
    ("orthanc_ratio_4", "4", "orthanc", ">= 2.5"),
    ("orthanc_ratio_1_200k", "1_200k", "orthanc", ">= 2.5"),
    ("orthanc_ratio_1_long", _LONG, "orthanc", ">= 1.0"),
    ("storescp_ratio_1", "1", "storescp", ">= 0.85"),
)
_VERSIONS = {"orthanc": "Orthanc 1.10.1", "storescp": "dcmtk storescp 3.6.7"}


def rows(seconds: dict[tuple[str, str], float], slices: int) -> list[Row]:
    """Rates of all, and the ratios that have a goal."""
    found = [
        Row(metric=f"{name}_rate_{kind}", value=round(slices / value, 1), unit="/s")
        for (name, kind), value in seconds.items()
    ]
    for metric, kind, peer, goal in _RATIOS:
        if (peer, kind) in seconds:
            value = round(seconds[peer, kind] / seconds["node", kind], 3)
            found.append(Row.judged(metric, value, unit="1", goal=goal, peer=_VERSIONS[peer]))
    if ("sink", "1") in seconds:
        value = round(seconds["node", "1"] / seconds["sink", "1"], 3)
        found.append(Row.judged("sink_time_ratio_1", value, unit="1", goal="<= 1.5", peer="durable sink"))
    value = round(seconds["node", "1"] / seconds["node", "4"], 3)
    found.append(Row.judged("four_over_one", value, unit="1", goal=">= 1.0", peer="itself"))
    return found


if __name__ == "__main__":
    main()
