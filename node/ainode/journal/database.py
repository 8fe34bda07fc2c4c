"""Opening the journal's database and bringing its tables up to date."""

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite

from ainode_models.errors import ConfigError

_TRUSTED_S = 1.0
"""Seconds that a connection is used again without asking whether it still is one."""
MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(url: str) -> sa.Engine:
    """Engine on ``url`` (SQLite or PostgreSQL) with all migrations applied; ``ConfigError`` when it cannot be used."""
    # Errors are logged, and rows name patients. The connection that was used last is used next: PostgreSQL has prepared
    # there what is asked again and again, and no connection is made anew while fewer than ten are needed.
    engine = sa.create_engine(
        url, hide_parameters=True, pool_size=10, pool_use_lifo=True, skip_autocommit_rollback=True
    )
    _check_connections(engine)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _durable)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                # sqlite3 would commit each new table by itself: a node killed here could never start again, nor could
                # a command that opens the database at the same moment.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sa.exc.DBAPIError as exc:
        engine.dispose()
        shown = engine.url.set(query={})  # which may carry a password; that of the URL itself shows as ***
        raise ConfigError(f"the database {shown} cannot be used: {str(exc.orig).partition(chr(10))[0]}") from exc
    return engine


def _check_connections(engine: sa.Engine) -> None:
    """Ask of a connection that rested whether its server is still there, as ``pool_pre_ping`` does, but of no other.

    While many ask, the question would be the half of what a search costs.
    """

    def used(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    def check(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) < _TRUSTED_S:
            return
        try:
            alive = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as exc:
            raise sa.exc.InvalidatePoolError from exc  # the pool then makes new connections
        if not alive:
            raise sa.exc.InvalidatePoolError

    sa.event.listen(engine, "checkin", used)
    sa.event.listen(engine, "checkout", check)


def _durable(connection: Any, _record: Any) -> None:
    """Readers beside one writer, and a commit that is on disk when it returns (sqlite.org/wal.html).

    Two megabytes of cache, the default, do not hold the thousand resources that a page without filter counts.
    """
    cursor = connection.cursor()
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "cache_size=-16384"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def insert_into(bind: sa.Engine | sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Insert statement of the database's own kind, which knows ``ON CONFLICT``."""
    return sqlite.insert(table) if bind.dialect.name == "sqlite" else postgresql.insert(table)


def insert_new(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert ``row`` unless a unique column already holds it; whether it was new."""
    insert = insert_into(connection, table).values(row).on_conflict_do_nothing()
    # Not rowcount: psycopg gives -1 for an insert, whether or not it did anything.
    return connection.execute(insert.returning(sa.literal_column("1"))).first() is not None
