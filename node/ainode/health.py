"""Whether each part of the node works."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from ainode.journal.studies import StudyJournal
from ainode.loop import Loop
from ainode.receive.free_space import FreeSpace

WARNING = "warning: "
"""Begins what is said of a part that works, but needs somebody to look after it."""


class Health:
    """Looks at the loops, the journal and the disk."""

    def __init__(self, loops: Sequence[Loop], studies: StudyJournal, space: FreeSpace) -> None:
        self._loops = loops
        self._studies = studies
        self._space = space

    def parts(self) -> Mapping[str, str]:
        """Each part with ``ok``, a warning, or what is wrong with it."""
        loops = {loop.name: "ok" if loop.alive else "ended" for loop in self._loops}
        return {"journal": self._journal(), "disk": self._disk(), **loops}

    def _journal(self) -> str:
        try:
            self._studies.get("")
        except sa.exc.SQLAlchemyError as error:
            return type(error).__name__
        return "ok"

    def _disk(self) -> str:
        try:
            refusal = self._space.refusal()
        except OSError as error:
            return f"cannot be asked: {error.strerror}"
        return f"{WARNING}{refusal}" if refusal else "ok"
