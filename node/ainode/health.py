"""Whether each part of the node works."""

import shutil
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from ainode.journal.studies import StudyJournal
from ainode.loop import Loop
from ainode.places import Places

_LEAST_FREE_BYTES = 1 << 30


class Health:
    """Looks at the loops, the journal and the disk."""

    def __init__(self, loops: Sequence[Loop], studies: StudyJournal, places: Places) -> None:
        self._loops = loops
        self._studies = studies
        self._places = places

    def parts(self) -> Mapping[str, str]:
        """Each part with ``ok`` or what is wrong with it."""
        loops = {loop.name: "ok" if loop.alive else "ended" for loop in self._loops}
        return {"journal": self._journal(), "disk": self._disk(), **loops}

    def _journal(self) -> str:
        try:
            self._studies.get("")
        except sa.exc.SQLAlchemyError as error:
            return type(error).__name__
        return "ok"

    def _disk(self) -> str:
        free = shutil.disk_usage(self._places.folder).free
        return "ok" if free >= _LEAST_FREE_BYTES else f"{free >> 20} MiB free"
