"""What a node does when it meets an archive for the first time."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ainode.fetch.follower import Follower
from ainode.journal.database import open_database
from ainode.journal.studies import StudyJournal
from ainode_orthanc.changes import ChangeFeed
from peers.dcmtk import storescu
from peers.orthanc import OrthancServer
from peers.tiny_series import write_series


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[OrthancServer]:
    """An archive that has held a study for years."""
    with OrthancServer(tmp_path / "orthanc") as orthanc:
        send(orthanc, tmp_path / "old", "old")
        yield orthanc


def send(orthanc: OrthancServer, folder: Path, seed: str) -> None:
    write_series(folder, seed=seed, images=2)
    storescu(folder, "127.0.0.1", orthanc.dicom_port, called=orthanc.ae_title)


@pytest.mark.parametrize(("from_start", "studies"), [(False, 1), (True, 2)])
def test_what_the_archive_has_held_for_years_is_fetched_only_on_demand(
    tmp_path: Path, archive: OrthancServer, from_start: bool, studies: int
) -> None:
    journal = StudyJournal(open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}"), time.time)
    with ChangeFeed(archive.url) as feed:
        follower = Follower("pacs", feed, journal, from_start=from_start)
        follower.step()
        send(archive, tmp_path / "new", "new")
        while follower.step():
            pass
    assert len(journal.to_fetch("pacs", settled=0.0)) == studies
