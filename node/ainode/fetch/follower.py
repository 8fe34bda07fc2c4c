"""Notes which studies of an archive changed, from its change feed."""

from ainode.journal.studies import StudyJournal
from ainode_orthanc.changes import ChangeFeed, Position


class Follower:
    """Reads one archive's feed from where the journal says that it stopped."""

    def __init__(self, archive: str, feed: ChangeFeed, studies: StudyJournal, *, from_start: bool) -> None:
        self._archive = archive
        self._feed = feed
        self._studies = studies
        self._from_start = from_start

    def step(self) -> int:
        """Record one page of changes, with the new position, in one transaction; how many studies it named.

        Raises ``PeerUnreachable`` while the archive is down; the next call goes on from the same place.
        """
        known = self._studies.position(self._archive)
        if not known and not self._from_start:
            # The first meeting: what the archive has held for years is not analysed unasked.
            self._studies.touched(self._archive, (), str(self._feed.end()))
            return 1
        before = Position.parse(known)
        poll = self._feed.poll(before)
        if poll.position != before:
            self._studies.touched(self._archive, poll.touched, str(poll.position))
        return len(poll.touched) if poll.done else 1
