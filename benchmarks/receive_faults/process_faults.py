"""The node's process is ended: killed, or asked to end."""

import time
from pathlib import Path
from statistics import median

from ainode.measurement import Row
from receive_faults.stand import Outcome, Stand

_EXAMINED_EVERY = 25
"""Kills, about, between two looks at what was acknowledged meanwhile."""
_KILLED_AT_START = 0.15
"""Share of the kills that come before the node listens."""
_LONGEST_START, _LONGEST_LIFE = 2.0, 4.0
_LONGEST_END = 10
"""Seconds that Docker waits between SIGTERM and SIGKILL."""


def kill(folder: Path, *, seed: int, times: int) -> Outcome:
    """SIGKILL at random moments of starting, receiving and indexing; each time the node is started again."""
    with Stand("kill", folder, seed=seed) as stand:
        while stand.node.kills < times:
            stand.linger(_LONGEST_LIFE)
            stand.must_be_alive()
            stand.node.kill()
            if stand.random.random() < _KILLED_AT_START and stand.node.kills < times:
                stand.node.spawn()
                time.sleep(stand.random.uniform(0, _LONGEST_START))
                stand.node.kill()
            stand.start()
            stand.must_take_objects(f"after kill {stand.node.kills}")
            if not stand.node.alive:
                break
            if stand.random.random() < 1 / _EXAMINED_EVERY:
                stand.examine()
                stand.resume()
        return stand.outcome(Row(metric="start_seconds", value=round(median(stand.starts), 2), unit="s"))


def sigterm(folder: Path, *, seed: int, times: int) -> Outcome:
    """SIGTERM at random moments: the node must end by itself, with status 0."""
    seconds = []
    with Stand("sigterm", folder, seed=seed) as stand:
        for number in range(1, times + 1):
            stand.linger(_LONGEST_LIFE)
            status, took = stand.node.terminate()
            seconds.append(took)
            if status != 0:
                stand.stuck(f"SIGTERM {number} ended with {status}: {stand.node.tail()}")
                stand.node.kill()
            stand.start()
            stand.must_take_objects(f"after SIGTERM {number}")
        longest = round(max(seconds), 2)
        return stand.outcome(Row.judged("sigterm_seconds", longest, unit="s", goal=f"<= {_LONGEST_END}"))
