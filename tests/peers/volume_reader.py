"""Reading stored files as volumes in a process of its own, in which no file may take all memory or all time.

    python tests/peers/volume_reader.py FILE...

writes one line of JSON for each file: what became of it.
"""

import json
import logging
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ainode.study import read_studies
from ainode.volume.builder import build_volume, read_header
from ainode.volume.frames import decode_frames
from ainode_models.errors import AinodeError

MEMORY = 6 << 30
"""Bytes of address space; an image of ``MOST_IN_FRAME`` needs one."""
_SECONDS = 60
READ, REFUSED, CRASHED = "read", "refused", "crashed"


def outcomes(paths: Sequence[Path], *, batch: int = 200) -> Iterator[tuple[Path, str]]:
    """What became of each file: ``read``, ``refused``, ``crashed``, or the error that is none of ours."""
    left = list(paths)
    while left:
        command = [sys.executable, str(Path(__file__)), *map(str, left[:batch])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('"')]
        yield from zip(left, told, strict=False)
        left = left[len(told) :]
        if done.returncode and left:
            yield left.pop(0), f"{CRASHED} ({done.returncode}): {done.stderr[-300:]}"


def outcome(path: Path) -> str:
    """What becomes of one file here, by each way in which the node reads it."""
    ways: tuple[Callable[[], object], ...] = (
        lambda: read_studies([path]),
        lambda: build_volume([path]),
        lambda: decode_frames(read_header(path)),
    )
    said = {_outcome(way) for way in ways[1:]} | {_outcome(ways[0])} - {READ}
    return next(iter(said - {READ, REFUSED}), REFUSED if REFUSED in said else READ)


def _outcome(way: Callable[[], object]) -> str:
    try:
        way()
    except AinodeError:
        return REFUSED
    except Exception as exc:  # noqa: BLE001 - what this program is for
        trace, place = exc.__traceback__, ""
        while trace:
            code = trace.tb_frame.f_code
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno}" if "ainode" in code.co_filename else place
            trace = trace.tb_next
        return f"{type(exc).__name__} at {place}: {exc}"[:300]
    return READ


def main() -> None:
    """Read the files that are named."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    logging.disable()
    for name in sys.argv[1:]:
        signal.alarm(_SECONDS)  # ends the process, so that a file that is read for ever counts as a crash
        print(json.dumps(outcome(Path(name))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
