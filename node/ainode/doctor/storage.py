"""Folder and databases: can they be written, durably, and is there room?"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from ainode.doctor.finding import Finding, failed, ok, warning
from ainode.durable_file import sync_folder
from ainode.journal.database import MIGRATIONS
from ainode.receive.free_space import room_of
from ainode.settings import Settings

_SLOW_S = 0.1
_NO_DATABASE = "check [database] and whether it runs"


def check_storage(settings: Settings) -> Iterator[Finding]:
    """Node folder, spool, free space, journal and workflows."""
    folder = settings.node.folder
    if not folder.is_dir():
        yield _not_made_yet(folder)
        folder = _nearest(folder)
    else:
        yield _writable("node folder", folder)
        if (folder / "spool").is_dir():
            yield _writable("spool", folder / "spool")
    yield _room(folder / "spool" if (folder / "spool").is_dir() else folder, settings)
    folder = settings.node.folder
    yield _database("journal", settings.database.url.reveal(), folder / "journal.sqlite", journal=True)
    yield _database("workflows", settings.database.workflow_url.reveal(), folder / "workflows.sqlite", journal=False)


def _nearest(folder: Path) -> Path:
    return next(parent for parent in folder.parents if parent.is_dir())


def _not_made_yet(folder: Path) -> Finding:
    if os.access(_nearest(folder), os.W_OK | os.X_OK):
        return ok("node folder", f"{folder} is made at the first start")
    return failed("node folder", f"{folder} is not there and cannot be made", "make it for the user that runs the node")


def _writable(check: str, folder: Path) -> Finding:
    trial = folder / f".doctor-{uuid4().hex}"
    try:
        began = time.monotonic()
        with trial.open("wb") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)
        took = time.monotonic() - began
    except OSError as exc:
        return failed(check, f"{folder} cannot be written: {exc.strerror}", "check owner, mount and free space")
    finally:
        with suppress(OSError):
            trial.unlink()
    shown = f"{folder}: written and synced in {took * 1000:.0f} ms"
    if took > _SLOW_S:
        return warning(check, shown, "each object waits for it: use a local, faster disk")
    return ok(check, shown)


def _room(folder: Path, settings: Settings) -> Finding:
    room = room_of(folder, least_bytes=settings.spool.min_free_bytes, least_percent=settings.spool.min_free_percent)
    shown = f"{_size(room.free)} free, {_size(room.least)} are kept free"
    if room.above < 0:
        return failed("free space", f"{shown}: new objects are refused", "make room, or set [retention]")
    if room.above < room.least:
        return warning("free space", shown, "make room soon, or set [retention]")
    return ok("free space", shown)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**9 else f"{count // 10**6} MB"


def _database(check: str, url: str, file: Path, *, journal: bool) -> Finding:
    if not url and not file.exists():
        return ok(check, f"{file} is made at the first start")
    engine = sa.create_engine(url or f"sqlite:///{file}", hide_parameters=True)
    try:
        with engine.connect() as connection:
            _write(connection)
            version = _version(connection) if journal else ""
    except sa.exc.DBAPIError as exc:
        return failed(check, f"cannot be written: {str(exc.orig).partition(chr(10))[0]}", _NO_DATABASE)
    finally:
        engine.dispose()
    shown = f"{engine.dialect.name} can be written"
    if journal and version != _newest():
        return warning(check, f"{shown}; its tables are of another version", "the next start brings them up to date")
    return ok(check, shown)


def _write(connection: sa.Connection) -> None:
    """Take the right to write and give it back; nothing is changed."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA busy_timeout=10000")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE ainode_doctor (id integer) ON COMMIT DROP")
    connection.rollback()


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))


def _newest() -> str | None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config).get_current_head()
