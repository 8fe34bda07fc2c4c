"""The order of a search's answer, and where its next page starts (https://hl7.org/fhir/R4/search.html#sort).

Pages are cut by the keys of the last resource seen, never by counting rows: the hundredth costs what the first does,
and what is written meanwhile moves nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import BindParameter, ColumnElement, RowMapping, String, UnaryExpression, and_, false, or_

from ainode_fhir.cursor import Key, decode, encode
from ainode_fhir.parameters import search_parameter
from ainode_fhir.tables import resource_table as resource

SORTED: Mapping[str, str] = MappingProxyType(
    {
        "_id": "id",
        "_lastUpdated": "last_updated",
        "status": "status",
        "issued": "issued",
        "date": "date",
        "started": "date",
        "authored": "date",
        "birthdate": "date",
    }
)
"""Columns of the resource table by the names of search parameters."""
NEWEST_FIRST = "-_lastUpdated"


@dataclass(frozen=True)
class Order:
    """One key to sort by."""

    column: str
    """Of the resource table."""
    ascending: bool


def sortable(kind: str) -> tuple[str, ...]:
    """Names of the parameters by which a search on a resource type can be sorted."""
    return tuple(name for name in SORTED if search_parameter(kind, name))


def parse_sort(kind: str, value: str) -> tuple[Order, ...] | None:
    """The keys of ``_sort``, ended by the id, so that no two resources are equal; None where one is not known."""
    orders = []
    for part in value.split(","):
        name = part.removeprefix("-")
        if name not in sortable(kind):
            return None
        orders.append(Order(SORTED[name], ascending=name == part))
    return _unambiguous(orders)


def order_by(orders: Sequence[Order], *, few: bool = False) -> list[UnaryExpression[Key]]:
    """For SELECT: every key in one direction can be read off an index.

    But of ``few`` resources that are looked up: SQLite would go through all of them in that order instead.
    """
    keys = [_column(order) for order in orders]
    if few:
        keys[0] = keys[0] + ("" if isinstance(keys[0].type, String) else 0)
    return [key.asc() if order.ascending else key.desc() for key, order in zip(keys, orders, strict=True)]


def behind(orders: Sequence[Order], keys: Sequence[BindParameter[Key]]) -> ColumnElement[bool]:
    """Whether a resource comes after that with these ``keys``.

    That the first key is not before is said once more by itself: by this a database finds the place in its index.
    """
    found: ColumnElement[bool] = false()
    for order, key in reversed(list(zip(orders, keys, strict=True))):
        column = _column(order)
        further = column > key if order.ascending else column < key
        found = or_(further, and_(column == key, found))
    first = _column(orders[0])
    return and_(first >= keys[0] if orders[0].ascending else first <= keys[0], found)


def place(orders: Sequence[Order], row: RowMapping) -> str:
    """Text for a link: the keys of a row of the resource table."""
    return encode([row[order.column] for order in orders])


def read_place(orders: Sequence[Order], text: str) -> tuple[Key, ...]:
    """The keys of a link; raises FhirProblem (400) for one that this server did not make for these ``orders``."""
    return tuple(decode(text, tuple(str if order.column in ("id", "status") else int for order in orders)))


def _unambiguous(orders: list[Order]) -> tuple[Order, ...]:
    """Each column once; the id last, in the direction of the key before it."""
    once = [order for at, order in enumerate(orders) if order.column not in {each.column for each in orders[:at]}]
    if not any(order.column == "id" for order in once):
        once.append(Order("id", once[-1].ascending))
    return tuple(once)


def _column(order: Order) -> ColumnElement[Key]:
    column: ColumnElement[Key] = resource.c[order.column]
    return column
