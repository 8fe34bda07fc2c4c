"""How fast are 1,000 CT slices received, safe on disk: this node, Orthanc, dcmtk's storescp, a bare durable sink.

    make bench-ingest

The receivers take turns in one run, each empty at every turn; dcmtk's storescu sends, with TCP_NODELAY=1 everywhere.
"""

import argparse
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import median

from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from ct_slices import write_slices
from receivers import ENVIRONMENT, Receiver, Start, node, orthanc, sink, storescp

ROOT = Path(__file__).resolve().parents[1]
RECEIVERS: dict[str, Start] = {"node": node, "orthanc": orthanc, "storescp": storescp, "sink": sink}


def seconds_to_send(folders: list[Path], receiver: Receiver) -> float:
    """Wall-clock seconds until every storescu, one for each folder and all at once, has its last answer."""
    target = ["-aec", receiver.ae_title, "127.0.0.1", str(receiver.port)]
    began = time.perf_counter()
    senders = [
        subprocess.Popen(
            ["/usr/bin/storescu", "--max-send-pdu", "131072", *target, "+sd", "+r", str(folder)], env=ENVIRONMENT
        )
        for folder in folders
    ]
    if any(sender.wait() for sender in senders):
        raise RuntimeError(f"storescu could not send everything to {receiver.ae_title}")
    return time.perf_counter() - began


def measure(name: str, folders: list[Path], work: Path) -> float:
    """Seconds for a fresh receiver to take everything."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=work))
    with ExitStack() as stack:
        seconds = seconds_to_send(folders, RECEIVERS[name](folder, stack))
    os.sync()
    return seconds


def main() -> None:
    """Measure, print and write ``build/bench/ingest.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(RECEIVERS))
    arguments = parser.parse_args()
    work = ROOT / "build" / "bench" / "work"
    work.mkdir(parents=True, exist_ok=True)
    console = Console()
    seconds: dict[tuple[str, int], list[float]] = {}
    four = write_slices(work / "ct", arguments.slices, folders=4)
    for _ in range(arguments.rounds):
        for senders, folders in ((1, [work / "ct"]), (4, four)):
            for name in arguments.only:
                seconds.setdefault((name, senders), []).append(measure(name, folders, work))
                console.print(f"{name}, {senders} sender(s): {seconds[name, senders][-1]:.2f} s", highlight=False)
    middle = {key: median(values) for key, values in seconds.items()}
    report = Report(
        name="ingest",
        rows=tuple(rows(middle, arguments.slices)),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(ROOT / "build" / "bench" / "ingest.json")
    console.print(report.table())


def rows(seconds: dict[tuple[str, int], float], slices: int) -> list[Row]:
    """Rates of all, and the ratios that have a goal."""
    found = [
        Row(metric=f"{name}_rate_{senders}", value=round(slices / value, 1), unit="/s")
        for (name, senders), value in seconds.items()
    ]

    def ratio(metric: str, value: float, goal: str, peer: str) -> None:
        found.append(Row.judged(metric, round(value, 3), unit="1", goal=goal, peer=peer))

    for senders in (1, 4):
        if ("orthanc", senders) in seconds:
            value = seconds["orthanc", senders] / seconds["node", senders]
            ratio(f"orthanc_ratio_{senders}", value, ">= 2.5", "Orthanc 1.10.1")
    if ("storescp", 1) in seconds:
        ratio("storescp_ratio_1", seconds["storescp", 1] / seconds["node", 1], ">= 0.85", "dcmtk storescp 3.6.7")
    if ("sink", 1) in seconds:
        ratio("sink_time_ratio_1", seconds["node", 1] / seconds["sink", 1], "<= 1.5", "durable sink")
    ratio("four_over_one", seconds["node", 1] / seconds["node", 4], ">= 1.0", "itself")
    return found


main()
