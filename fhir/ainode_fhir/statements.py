"""Statements that are made once and run again and again with other values.

To make the statement of a search anew costs as much of the processor's time as the database takes to answer it.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, Select

from ainode_fhir.operand import Value

_MOST = 1000
"""Statements that are kept."""


@dataclass(frozen=True)
class _Statement:
    text: str
    constants: Mapping[str, Any]
    """Bound values that are the same whatever is searched for."""
    places: tuple[str, ...] | None
    """Names of the bound values in the order of their places, for a database that knows no names."""

    def run(self, connection: Connection, values: Mapping[str, Value]) -> CursorResult[Any]:
        given = {**self.constants, **values}
        if self.places is None:
            return connection.exec_driver_sql(self.text, given)
        return connection.exec_driver_sql(self.text, tuple(given[name] for name in self.places))


class Statements:
    """The statements of one database; thread-safe. Rows are as the driver gives them: a truth may be a number."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Statement] = {}

    def run(
        self,
        connection: Connection,
        shape: Hashable,
        values: Mapping[str, Value],
        make: Callable[[], Select[Any]],
    ) -> CursorResult[Any]:
        """Rows of the statement that ``make`` makes; equal ``shape`` must mean that only ``values`` differ.

        ``values`` are those that the statement has by name; without ``shape`` it is made, and not kept.
        """
        if shape is None:
            return connection.execute(make())
        statement = self._kept.get(shape)
        if statement is None:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            statement = self._kept[shape] = _made(connection, make(), values)
        return statement.run(connection, values)


def _made(connection: Connection, select: Select[Any], values: Mapping[str, Value]) -> _Statement:
    compiled = select.compile(connection, compile_kwargs={"render_postcompile": True})
    constants = {name: value for name, value in (compiled.params or {}).items() if name not in values}
    places = tuple(compiled.positiontup) if compiled.positional and compiled.positiontup else None
    return _Statement(str(compiled), constants, places)
