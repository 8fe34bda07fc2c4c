"""Which of the instances are used: of those in one study with one SOP Instance UID, one."""

from typing import Any

import sqlalchemy as sa

from ainode.journal.tables import instances


def is_indexed(table: sa.FromClause = instances) -> sa.ColumnElement[bool]:
    """Whether an instance can be used at all."""
    return _unindexed(table.c.state) == "indexed"


def is_used(*, newest: bool) -> sa.ColumnElement[bool]:
    """Whether a row of ``instances`` is indexed, and the one that ``InstanceJournal.of_study`` chooses of its UID."""
    other = instances.alias("other")
    sooner = other.c.received_at > instances.c.received_at if newest else other.c.received_at < instances.c.received_at
    same_time = sa.and_(other.c.received_at == instances.c.received_at, other.c.id > instances.c.id)
    preferred = sa.exists().where(
        other.c.sop_instance_uid == instances.c.sop_instance_uid,
        _unindexed(other.c.study_uid) == instances.c.study_uid,
        is_indexed(other),
        sa.or_(sooner, same_time),
    )
    return sa.and_(is_indexed(), ~preferred)


def _unindexed(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The column without its index: SQLite would walk through all rows of a state to find those of a UID."""
    return column.concat("")
