"""The follower of the change log against the real Orthanc."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from ainode_models.errors import PeerRefused, PeerUnreachable
from ainode_orthanc.auth import Credentials
from ainode_orthanc.changes import ChangeFeed, Position
from peers.dcmtk import storescu
from peers.orthanc import OrthancServer
from peers.tiny_series import write_series


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[OrthancServer]:
    # No Stable... changes in the middle of a test: they come after an hour.
    with OrthancServer(tmp_path / "orthanc", overrides={"StableAge": 3600}) as server:
        yield server


def _send(orthanc: OrthancServer, folder: Path, *, seed: str, images: int = 3) -> str:
    paths = write_series(folder / seed, images=images, seed=seed)
    storescu(paths, "127.0.0.1", orthanc.dicom_port, called="ORTHANC")
    return str(dcmread(paths[0]).StudyInstanceUID)


def test_each_new_study_is_named_once_and_never_again(orthanc: OrthancServer, tmp_path: Path) -> None:
    with ChangeFeed(orthanc.url) as feed:
        nothing = feed.poll(Position())
        assert (nothing.position, nothing.touched, nothing.done) == (Position(), (), True)

        first, second = (_send(orthanc, tmp_path, seed=seed) for seed in "ab")
        poll = feed.poll(nothing.position)
        assert poll.touched == tuple(sorted((first, second)))
        assert feed.poll(poll.position).touched == ()

        third = _send(orthanc, tmp_path, seed="c")
        resumed = Position.parse(str(poll.position))
        assert resumed == poll.position
        assert feed.poll(resumed).touched == (third,)


def test_pages_of_any_size_bring_the_same_studies(orthanc: OrthancServer, tmp_path: Path) -> None:
    studies = {_send(orthanc, tmp_path, seed=seed) for seed in "abc"}
    for page in (1, 2, 5, 1000):
        with ChangeFeed(orthanc.url, page=page) as feed:
            touched, poll = set(), feed.poll(Position())
            touched |= set(poll.touched)
            while not poll.done:
                poll = feed.poll(poll.position)
                touched |= set(poll.touched)
            assert touched == studies


def test_a_late_image_touches_its_study_again(orthanc: OrthancServer, tmp_path: Path) -> None:
    with ChangeFeed(orthanc.url) as feed:
        paths = write_series(tmp_path / "a", images=2)
        orthanc.upload(paths[0])
        poll = feed.poll(Position())
        orthanc.upload(paths[1])
        assert feed.poll(poll.position).touched == poll.touched != ()
        orthanc.upload(paths[1])  # Known already, so that nothing is new.
        assert feed.poll(feed.poll(poll.position).position).touched == ()


def test_what_has_vanished_meanwhile_is_skipped(orthanc: OrthancServer, tmp_path: Path) -> None:
    kept = _send(orthanc, tmp_path, seed="kept")
    gone = orthanc.upload(*write_series(tmp_path / "gone", images=1, seed="gone"))
    with ChangeFeed(orthanc.url) as feed:
        page = feed.read(0)
        orthanc.rest("DELETE", f"/instances/{gone}")
        assert feed._studies(page.changes) == (kept,)
        assert feed.poll(Position()).touched == (kept,)


def test_a_restart_of_orthanc_is_waited_out_and_nothing_is_read_twice(orthanc: OrthancServer, tmp_path: Path) -> None:
    with ChangeFeed(orthanc.url) as feed:
        _send(orthanc, tmp_path, seed="a")
        position = feed.poll(Position()).position
        second = _send(orthanc, tmp_path, seed="b")
        orthanc.kill()
        with pytest.raises(PeerUnreachable, match="cannot be reached"):
            feed.poll(position)
        orthanc.start()
        poll = feed.poll(position)
        assert (poll.touched, poll.restarted) == ((second,), False)
        assert feed.poll(poll.position).touched == ()


@pytest.mark.parametrize("images", [1, 30], ids=["fewer changes than before", "more changes than before"])
def test_a_replaced_database_is_noticed_and_read_from_its_start(
    orthanc: OrthancServer, tmp_path: Path, images: int
) -> None:
    with ChangeFeed(orthanc.url) as feed:
        _send(orthanc, tmp_path, seed="old", images=10)
        position = feed.poll(Position()).position
        orthanc.kill()
        shutil.rmtree(orthanc.folder / "storage")
        orthanc.start()
        new = _send(orthanc, tmp_path, seed="new", images=images)
        poll = feed.poll(position)
        assert (poll.touched, poll.restarted) == ((new,), True)
        assert (feed.poll(poll.position).touched, feed.poll(poll.position).restarted) == ((), False)


def test_a_quiet_study_is_named_again_when_orthanc_calls_it_stable(tmp_path: Path) -> None:
    with OrthancServer(tmp_path / "orthanc") as orthanc, ChangeFeed(orthanc.url) as feed:
        study = _send(orthanc, tmp_path, seed="a")
        position = feed.poll(Position()).position
        while not (poll := feed.poll(position)).touched:
            position = poll.position
            time.sleep(0.05)
        assert poll.touched == (study,)


def test_a_wrong_password_and_a_stranger_at_the_address_are_refused(tmp_path: Path) -> None:
    with OrthancServer(tmp_path / "orthanc", users={"node": "right"}) as orthanc:
        with ChangeFeed(orthanc.url, Credentials("node", "right")) as feed:
            assert feed.poll(Position()).done
        with ChangeFeed(orthanc.url, Credentials("node", "wrong")) as feed, pytest.raises(PeerRefused, match="401"):
            feed.poll(Position())
        with (
            ChangeFeed(f"{orthanc.url}/app", Credentials("node", "right")) as feed,
            pytest.raises(PeerRefused, match="404"),
        ):
            feed.poll(Position())


def test_the_end_of_the_log_is_behind_all_that_came_before(orthanc: OrthancServer, tmp_path: Path) -> None:
    with ChangeFeed(orthanc.url) as feed:
        assert feed.end() == Position()
        _send(orthanc, tmp_path / "old", seed="old")
        end = feed.end()
        assert feed.poll(end).touched == ()
        new = _send(orthanc, tmp_path / "new", seed="new")
        assert feed.poll(end).touched == (new,)
