"""The database when the node is killed in its first second, and when two programs open it at once."""

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op

from ainode.journal import database
from ainode.journal.database import open_database
from peers.postgres import PostgresServer


def test_a_node_killed_while_it_makes_its_tables_starts_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    make = op.create_table
    made: list[str] = []

    def killed(name: str, *columns: Any, **options: Any) -> sa.Table:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(name)
        return make(name, *columns, **options)

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_table", killed)
        with pytest.raises(KeyboardInterrupt):
            open_database(url)
    assert len(made) == 3
    engine = open_database(url)
    assert "runs" in sa.inspect(engine).get_table_names()
    engine.dispose()


def test_programs_that_open_a_new_database_at_once_all_can(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    ready = threading.Barrier(4)

    def open_it() -> None:
        ready.wait()
        try:
            open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}").dispose()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_connection_that_rested_while_the_database_started_again_is_replaced_unseen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with PostgresServer() as server:
        engine = open_database(server.database("journal"))

        def ask() -> Any:
            with engine.connect() as connection:
                return connection.scalar(sa.text("SELECT pg_backend_pid()"))

        first = ask()
        assert ask() == first, "the connection that was used last is used next"
        server.stop()
        server.start()
        monkeypatch.setattr(database, "_TRUSTED_S", 0.0)
        assert ask() != first
        engine.dispose()
