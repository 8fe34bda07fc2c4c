"""What is new in an Orthanc: its change log (REST ``/changes``), read from where the last reading stopped.

Orthanc's own client, pyorthanc, makes the requests; answers are judged as all other answers of an archive.
"""

import re
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import httpx
import pyorthanc

from ainode_models.errors import PeerRefused
from ainode_orthanc.answers import check_answer, reaching
from ainode_orthanc.auth import Credentials

_ARRIVALS = frozenset({"NewInstance", "NewSeries", "NewStudy", "StableSeries", "StableStudy"})
_POSITION = re.compile(r"(\d+)(?:@(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Change:
    """One line of the change log."""

    sequence: int
    """``Seq``, which only grows while Orthanc keeps its database."""
    kind: str
    """``ChangeType``, for example ``NewInstance``."""
    resource: str
    """Orthanc's id of the patient, study, series or instance."""
    date: str
    """When, in Orthanc's own notation."""

    @property
    def mark(self) -> str:
        """What tells this change from one with the same number in another database."""
        return f"{self.date} {self.kind} {self.resource}"


@dataclass(frozen=True)
class Position:
    """How far the change log was read: everything up to ``sequence``."""

    sequence: int = 0
    mark: str = ""
    """What stood at ``sequence``, to notice when another database stands there; empty when not known."""

    @classmethod
    def parse(cls, text: str) -> "Position":
        """The position that ``str`` wrote; anything else is the start of the log."""
        match = _POSITION.fullmatch(text)
        return cls(int(match[1]), match[2] or "") if match else cls()

    def __str__(self) -> str:
        return f"{self.sequence}@{self.mark}"


@dataclass(frozen=True)
class ChangePage:
    """Some consecutive changes."""

    changes: tuple[Change, ...]
    last: int
    """Highest sequence number read; that of the whole log when there was nothing to read."""
    done: bool
    """Whether the log had no more when it was read."""


@dataclass(frozen=True)
class Poll:
    """What one look at the log brought."""

    position: Position
    """To be kept once ``touched`` is recorded, and given to the next look."""
    touched: tuple[str, ...]
    """``StudyInstanceUID`` of each study with something new, once each; those deleted since are left out."""
    done: bool
    """False when there is more to read at once."""
    restarted: bool
    """Whether the log had become another one, because Orthanc's database was replaced, and was begun anew."""


class ChangeFeed:
    """Follows one Orthanc (1.9.4 or later) at ``url``, its REST root; holds no position itself.

    Raises PeerUnreachable while Orthanc is down: the same call works once it is back.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        page: int = 1000,
        timeout_seconds: float = 30,
    ) -> None:
        self.url = url.rstrip("/")
        self._page = page
        self._orthanc = pyorthanc.Orthanc(
            self.url,
            return_raw_response=True,
            timeout=timeout_seconds,
            limits=httpx.Limits(keepalive_expiry=0.5),
            **(credentials or Credentials()).client_arguments(),
        )

    def poll(self, position: Position) -> Poll:
        """Read one page of changes behind ``position`` and name the studies that they touch."""
        # One more in front: the change at the position itself shows whether this is still the same log.
        page = self.read(max(position.sequence - 1, 0), self._page + 1)
        if _is_another_log(page, position):
            return replace(self.poll(Position()), restarted=True)
        fresh = tuple(change for change in page.changes if change.sequence > position.sequence)
        reached = Position(fresh[-1].sequence, fresh[-1].mark) if fresh else position
        return Poll(reached, self._studies(fresh), page.done, restarted=False)

    def end(self) -> Position:
        """Where the log ends now; the start when it is empty."""
        with reaching(self.url):
            last = int(self._json(self._orthanc.get_changes(params={"last": ""}))["Last"])
        newest = self.read(max(last - 1, 0)).changes
        return Position(newest[-1].sequence, newest[-1].mark) if newest else Position()

    def read(self, since: int, limit: int = 1000) -> ChangePage:
        """Up to ``limit`` changes with a sequence number above ``since``."""
        with reaching(self.url):
            answer = self._orthanc.get_changes(params={"since": since, "limit": limit})
        document = self._json(answer)
        try:
            changes = tuple(
                Change(int(item["Seq"]), item["ChangeType"], item["ID"], item["Date"]) for item in document["Changes"]
            )
            return ChangePage(changes, int(document["Last"]), bool(document["Done"]))
        except (KeyError, TypeError, ValueError) as exc:
            raise PeerRefused(f"{self.url}/changes is not the change log of an Orthanc") from exc

    def close(self) -> None:
        """Close all connections."""
        self._orthanc.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _studies(self, changes: tuple[Change, ...]) -> tuple[str, ...]:
        """Study UIDs of what arrived, in one request: Orthanc climbs to the studies and skips what is gone."""
        resources = sorted({change.resource for change in changes if change.kind in _ARRIVALS})
        if not resources:
            return ()
        with reaching(self.url):
            answer = self._orthanc.post_tools_bulk_content(
                json={"Resources": resources, "Level": "Study", "Metadata": False}
            )
        studies = self._json(answer)
        try:
            return tuple(sorted({study["MainDicomTags"]["StudyInstanceUID"] for study in studies}))
        except (KeyError, TypeError) as exc:
            raise PeerRefused(f"{self.url}/tools/bulk-content does not answer as Orthanc does") from exc

    def _json(self, answer: httpx.Response) -> Any:
        check_answer(answer)
        try:
            return answer.json()
        except ValueError as exc:
            raise PeerRefused(f"{self.url} does not answer in JSON: is this the root of an Orthanc?") from exc


def _is_another_log(page: ChangePage, position: Position) -> bool:
    """Whether the database that ``position`` belongs to was replaced, as far as the log can show it."""
    if page.last < position.sequence:
        return True
    at = page.changes[0] if page.changes else None
    return at is not None and at.sequence == position.sequence and position.mark not in ("", at.mark)
