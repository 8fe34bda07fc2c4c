"""Does the node keep every object that it acknowledged, whatever happens to it? Real senders, processes and disks.

    make faults-receive KILLS=200 SEED=1

Each fault has a fresh node under the load of four senders that remember every ``Success``. At the end of each, every
object that was acknowledged must be in the journal exactly once, as usable, with the very bytes that were sent.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of
from receive_faults import disk_faults, peer_faults, process_faults
from receive_faults.loop_disk import LoopDisk
from receive_faults.scratch_disk import ScratchDisk
from receive_faults.stand import Outcome

ROOT = Path(__file__).resolve().parents[1]
Fault = Callable[[Path], Outcome]
_OUT_OF_RESOURCES = 0xA700
_ON_SCRATCH_DISK = ("full_disk", "nearly_full_disk", "read_only_disk", "full_journal")
_ON_LOOP_DISK = ("power_cut",)


def faults(*, kills: int, seed: int, seconds: float, times: int) -> dict[str, Fault]:
    """All faults, by name."""
    return {
        "kill": partial(process_faults.kill, seed=seed, times=kills),
        "sigterm": partial(process_faults.sigterm, seed=seed, times=max(1, times // 8)),
        "sender_abort": partial(peer_faults.abort, seed=seed, times=times),
        "connection_cut": partial(peer_faults.cut, seed=seed, times=times),
        "silent_peer": partial(peer_faults.silence, seed=seed, times=max(4, times // 2)),
        "full_disk": partial(disk_faults.full_disk, seed=seed, seconds=seconds),
        "nearly_full_disk": partial(disk_faults.nearly_full_disk, seed=seed, seconds=seconds),
        "read_only_disk": partial(disk_faults.read_only_disk, seed=seed, seconds=seconds),
        "power_cut": partial(disk_faults.power_cut, seed=seed, times=max(1, times // 4)),
        "locked_journal": partial(disk_faults.locked_journal, seed=seed, seconds=seconds),
        "full_journal": partial(disk_faults.full_journal, seed=seed, seconds=seconds),
    }


def rows(outcomes: list[Outcome], *, kills: int, skipped: dict[str, str]) -> list[Row]:
    """Sums over all faults, then each fault."""
    found = [
        *(Row.judged("kills", item.kills, unit="1", goal=f"= {kills}") for item in outcomes if item.fault == "kill"),
        Row.judged("acknowledged", sum(item.acknowledged for item in outcomes), unit="1", goal="> 0"),
        Row.judged("acknowledged_lost", sum(len(item.lost) for item in outcomes), unit="1", goal="= 0"),
        Row.judged("stuck", sum(len(item.stuck) for item in outcomes), unit="1", goal="= 0"),
    ]
    for item in outcomes:
        found += _rows_of(item)
    found += [Row(metric=fault, value=f"skipped: {why}", unit="") for fault, why in skipped.items()]
    return found


def _rows_of(outcome: Outcome) -> list[Row]:
    def counted(what: str, value: float, goal: str) -> Row:
        return Row.judged(f"{outcome.fault}_{what}", value, unit="1", goal=goal)

    others = outcome.refusals.total() - outcome.refusals[_OUT_OF_RESOURCES]
    found = [
        counted("acknowledged", outcome.acknowledged, "> 0"),
        counted("lost", len(outcome.lost), "= 0"),
        counted("stuck", len(outcome.stuck), "= 0"),
        counted("orphans", outcome.orphans, "= 0"),
        # 0xA700 is the only refusal that tells a sender to come again.
        counted("refused_otherwise", others, "= 0"),
        Row(metric=f"{outcome.fault}_settle_seconds", value=outcome.settle_seconds, unit="s"),
    ]
    if outcome.refusals:
        found.append(Row(metric=f"{outcome.fault}_refused", value=outcome.refusals.total(), unit="1"))
    return [*found, *outcome.more]


def main() -> None:
    """Do it, print it, write ``build/faults-receive.json``; exit status 1 when a goal is missed."""
    arguments = _arguments()
    console = Console()
    skipped = _skipped(arguments.only)
    outcomes = []
    chosen = faults(kills=arguments.kills, seed=arguments.seed, seconds=arguments.seconds, times=arguments.times)
    for name in arguments.only:
        if name in skipped:
            console.print(f"{name}: skipped: {skipped[name]}", highlight=False)
            continue
        began = time.monotonic()
        outcome = _suffer(chosen[name], arguments.work / name)
        outcomes.append(outcome)
        _tell(console, outcome, time.monotonic() - began)
    report = Report(
        name="faults-receive",
        rows=tuple(rows(outcomes, kills=arguments.kills, skipped=skipped)),
        measured_at=datetime.now().astimezone(),
        commit=commit_of(ROOT),
        machine=Machine.this(),
    )
    report.write(arguments.out)
    console.print(report.table())
    sys.exit(0 if report.holds else 1)


def _skipped(chosen: list[str]) -> dict[str, str]:
    """Faults that cannot be had here, with the reason."""
    obstacles = ((ScratchDisk.obstacle(), _ON_SCRATCH_DISK), (LoopDisk.obstacle(), _ON_LOOP_DISK))
    return {name: why for why, names in obstacles if why for name in names if name in chosen}


def _suffer(fault: Fault, folder: Path) -> Outcome:
    """Run one fault in an empty folder, which stays only when something went wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    outcome = fault(folder)
    if not outcome.lost and not outcome.stuck:
        shutil.rmtree(folder)
    return outcome


def _tell(console: Console, outcome: Outcome, seconds: float) -> None:
    refusals = ", ".join(f"{count} x {status:04X}" for status, count in outcome.refusals.items()) or "nothing refused"
    console.print(
        f"{outcome.fault}: {outcome.acknowledged} acknowledged, {len(outcome.lost)} lost, {len(outcome.stuck)} stuck, "
        f"{refusals}, {seconds:.0f} s",
        highlight=False,
    )
    for text in (*(f"{loss.uid}: {loss.why}" for loss in outcome.lost), *outcome.stuck):
        console.print(f"  {text}", highlight=False, markup=False)


def _arguments() -> argparse.Namespace:
    names = list(faults(kills=0, seed=0, seconds=0, times=0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=35, help="how long a disk or journal takes nothing")
    parser.add_argument("--times", type=int, default=40, help="how often a sender misbehaves")
    parser.add_argument("--only", nargs="*", choices=names, default=names, metavar="FAULT", help=", ".join(names))
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "faults-receive")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "faults-receive.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
