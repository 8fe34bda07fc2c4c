"""The node is killed while it deletes: nothing is lost, and nothing stays for ever."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ainode.journal.database import open_database
from ainode.retain import sweeper as sweeping
from peers.retention_site import DAY, Site, step_until_calm


class Killed(BaseException):
    """What ends a process that asks nobody."""


@pytest.mark.parametrize("sent_again", [False, True])
def test_killed_between_any_two_steps_nothing_is_lost_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent_again: bool
) -> None:
    for moment in itertools.count():
        folder = tmp_path / str(moment)
        folder.mkdir()
        engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
        site = Site(folder, engine)
        site.deliver(_with_run(site))
        site.ahead += 31 * DAY
        ended = _killed_at(moment, site, monkeypatch)
        assert site.known() <= site.files(), "a row without its file"
        comes_again = sent_again and site.state("1.1") == "deleted"
        for uid in ("1.1.0", "1.1.1") if comes_again else ():
            site.receive_one(uid)
        step_until_calm(site.retention(days=30), site)
        assert site.files() == site.known()
        assert len(site.files()) == (2 if comes_again else 0)
        assert [*site.results.iterdir()] == []
        engine.dispose()
        if ended:
            break
    assert moment > 8, "the kills found nothing to interrupt"


def _with_run(site: Site) -> str:
    site.receive("1.1")
    return site.run("1.1")


def _killed_at(moment: int, site: Site, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Delete, and die before one of the steps that leave a trace; whether it came to its end instead."""
    count = itertools.count()

    def dying(action: Callable[..., object]) -> Callable[..., object]:
        def act(*arguments: object, **more: object) -> object:
            if next(count) == moment:
                raise Killed
            return action(*arguments, **more)

        return act

    with monkeypatch.context() as patch:
        for holder, name in (
            (Path, "rename"),
            (Path, "unlink"),
            (Path, "hardlink_to"),
            (shutil, "rmtree"),
            (sweeping, "sync_folder"),
            (site.journal, "give_up"),
            (site.journal, "gone"),
        ):
            patch.setattr(holder, name, dying(getattr(holder, name)))
        try:
            retention = site.retention(days=30)
            retention.step()
            site.ahead += 61
            retention.step()
        except Killed:
            return False
    return True


_CHILD = """
import sys
from pathlib import Path
from ainode.journal.database import open_database
from peers.retention_site import DAY, Site

folder = Path(sys.argv[1])
site = Site(folder, open_database(f"sqlite:///{folder / 'journal.sqlite'}"))
site.ahead = 31 * DAY
retention = site.retention(days=30, grace=0)
print("begun", flush=True)
while retention.step():
    pass
"""


_PATH = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_killed_with_sigkill_at_any_moment_no_row_lacks_its_file_and_in_the_end_all_is_gone(
    tmp_path: Path,
) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    site = Site(tmp_path, engine)
    for number in range(40):
        site.receive(f"1.{number}", count=4)
    kills = 0
    for wait in itertools.chain((0.0, 0.01, 0.02, 0.05, 0.1, 0.15), itertools.repeat(20)):
        child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, env=_PATH)
        assert child.stdout
        assert child.stdout.readline() == b"begun\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(wait)
        child.kill()
        child.stdout.close()
        kills += child.wait() != 0
        assert site.known() <= site.files()
        if child.returncode == 0:
            break
    assert site.files() == site.known() == set()
    assert kills > 2
    engine.dispose()
