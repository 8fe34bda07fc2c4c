"""What the commands share: the settings option, and the journal of a node that may be running."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ainode.journal.database import open_database
from ainode.journal.deliveries import DeliveryJournal
from ainode.journal.instances import InstanceJournal
from ainode.journal.reviews import ReviewJournal
from ainode.journal.runs import RunJournal
from ainode.journal.studies import StudyJournal
from ainode.places import Places
from ainode.settings import Settings


def _nearest(context: typer.Context, given: Path | None) -> Path | None:
    """Settings of this command; those before it, as in ``ainode runs --settings FILE retry ID``, count for it, too."""
    source = context.get_parameter_source("settings")
    before = context.parent.params.get("settings") if context.parent else None
    return given if source and source.name == "COMMANDLINE" else before or given


SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        envvar="AINODE_SETTINGS",
        help="Settings file; default ./ainode.toml if it is there.",
        callback=_nearest,
    ),
]


@dataclass(frozen=True)
class Journal:
    """All journals of one node."""

    instances: InstanceJournal
    studies: StudyJournal
    runs: RunJournal
    deliveries: DeliveryJournal
    reviews: ReviewJournal


@contextmanager
def journal(settings: Settings) -> Iterator[Journal]:
    """The journal that the settings name; a running node sees what is written to it."""
    engine = open_database(Places.of(settings).journal_url)
    try:
        yield Journal(
            InstanceJournal(engine, time.time),
            StudyJournal(engine, time.time),
            RunJournal(engine, time.time),
            DeliveryJournal(engine, time.time),
            ReviewJournal(engine, time.time),
        )
    finally:
        engine.dispose()


def local_time(seconds: float | None) -> str:
    """Local time of day with date, for people; empty for None."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
