"""Attribute matching of PS3.4 C.2.2.2 as SQL."""

import re
from enum import Enum

import sqlalchemy as sa

from ainode_models.errors import InputError

_MOST_STARS = 4
"""Stars in one pattern; each may be tried at every place."""


class Kind(Enum):
    """How values of an attribute are compared."""

    UID = "list of UIDs"
    TEXT = "wildcards"
    NAME = "wildcards, upper and lower case alike"
    NUMBER = "single value"
    DATE = "date or range of dates"
    TIME = "time or range of times"


def matches(column: sa.ColumnElement[str], kind: Kind, value: str) -> sa.ColumnElement[bool]:
    """Whether ``column`` matches ``value``, which is not empty; InputError for a value that is none of its kind."""
    if kind is Kind.UID:
        return column.in_([uid.strip() for uid in re.split(r"[,\\]", value)])
    if kind in (Kind.DATE, Kind.TIME):
        return _in_range(column, re.sub(r"[.:]", "", value) if kind is Kind.DATE else value.replace(":", ""))
    if kind is Kind.NUMBER:
        return column == _number(value)
    text = value.casefold().rstrip("^=") if kind is Kind.NAME else value
    return _like(column, text) if set(text) & set("*?") else column == text


def _like(column: sa.ColumnElement[str], pattern: str) -> sa.ColumnElement[bool]:
    """PS3.4 C.2.2.2.4: ``*`` is any sequence of characters, ``?`` any one; regular expressions tell cases apart."""
    pattern = re.sub(r"\*+", "*", pattern)
    if pattern == "*":
        return sa.true()
    if pattern.count("*") > _MOST_STARS:
        raise InputError(f"a pattern has more than {_MOST_STARS} stars; search for less")
    wild = {"*": ".*", "?": "."}
    return column.regexp_match("^" + "".join(wild.get(sign) or _literal(sign) for sign in pattern) + "$")


def _literal(sign: str) -> str:
    """One character of a regular expression that means itself, to Python and to PostgreSQL."""
    return sign if sign.isalnum() or not sign.isascii() else f"\\{sign}"


def _in_range(column: sa.ColumnElement[str], value: str) -> sa.ColumnElement[bool]:
    """PS3.4 C.2.2.2.5; a value of less precision stands for the whole of its hour or minute."""
    if not re.fullmatch(r"(\d{2,8}(\.\d{1,6})?)?-?(\d{2,8}(\.\d{1,6})?)?", value) or value == "-":
        raise InputError("a date is YYYYMMDD and a time HHMMSS, or two of them with a hyphen in between")
    first, hyphen, last = value.partition("-")
    if not hyphen:
        return _begins(column, first) == first
    found = column != ""
    if first:
        found &= column >= first
    return found & (_begins(column, last) <= last) if last else found


def _begins(column: sa.ColumnElement[str], value: str) -> sa.ColumnElement[str]:
    return sa.func.substr(column, 1, len(value))


def _number(value: str) -> str:
    if not re.fullmatch(r"\s*[+-]?\d{1,12}\s*", value):
        raise InputError("a number is searched for by its digits")
    return str(int(value))
