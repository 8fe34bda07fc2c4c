"""Values of a search as the database compares them.

An operand has a form, which decides how the statement looks, and values, which are bound to it by name: searches of the
same forms share one statement (``statements``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, BindParameter, ColumnElement, FromClause, String, and_, bindparam, false

from ainode_fhir.criteria import split_unescaped, unescape
from ainode_fhir.dates import Dated, read_date
from ainode_fhir.folding import fold
from ainode_fhir.parameters import PARAMETERS, SearchParameter
from ainode_fhir.query import Criterion

_UID = re.compile(r"\d+(\.\d+)+")
Condition = ColumnElement[bool]
Value = int | str


@dataclass(frozen=True)
class Operand:
    """One value of a criterion."""

    name: str
    """Beginning of the names of its bound values, which no other operand of the search has."""
    form: tuple[Value, ...]
    """``plain``; ``token``, how many codes, systems; ``date``, prefix; ``text`` and how; ``reference`` and how many."""
    values: tuple[Value, ...]

    def bound(self) -> list[BindParameter[Value]]:
        """The values, for a statement."""
        return [bound(name, value) for name, value in self.named().items()]

    def named(self) -> dict[str, Value]:
        """The values by their names."""
        return {f"{self.name}_{at}": value for at, value in enumerate(self.values)}

    @property
    def dated(self) -> Dated:
        """The date that it is."""
        low, high = self.bound()
        return Dated(str(self.form[1]), low, high)  # type: ignore[arg-type] # compares like the number that it stands for

    def matches(self, table: FromClause) -> Condition:
        """Whether a row of the index has it."""
        kind, values = self.form[0], self.bound()
        if kind == "date":
            return self.dated.met_by(table.c.low, table.c.high)
        if kind == "text":
            return _text(table, str(self.form[1]), values)
        if kind == "token":
            codes = int(self.form[1])
            held: list[Condition] = [table.c.value.in_(values[:codes])] if codes else []
            held += [table.c.system == system for system in values[codes:]]
            return and_(*held) if held else false()
        return table.c.value.in_(values)

    def roughly_matches(self, table: FromClause) -> Condition:
        """The same of a token whatever its system, where it has a code: true of all rows that have it."""
        if self.form[0] == "token" and self.form[1]:
            return table.c.value.in_(self.bound()[: int(self.form[1])])
        return self.matches(table)


def bound(name: str, value: Value) -> BindParameter[Value]:
    """A value in a statement; without its type, PostgreSQL would take a moment for a small number."""
    return bindparam(name, value, type_=String() if isinstance(value, str) else BigInteger())


def operands_of(number: int, criterion: Criterion, *, base_url: str, now: int) -> tuple[Operand, ...]:
    """What a criterion compares, in the order of its values; ``number`` is its place in the search.

    ``base_url`` is accepted before references; ``now`` is in microseconds since 1970-01-01 UTC, for dates with ``ap``.
    FhirProblem (400) for a value that is none.
    """
    parameter, modifier = criterion.parameter, criterion.modifier
    if modifier == "missing":
        return ()
    if criterion.chain:
        parameter, modifier = criterion.chain, criterion.chain_modifier

    def formed(value: str) -> Formed:
        if _is_plain(criterion, parameter):
            return ("plain",), (unescape(value),)
        if modifier == "identifier":
            return _token(value)
        return _operand(parameter, value, modifier, base_url=base_url, now=now)

    return tuple(Operand(f"c{number}v{at}", *formed(value)) for at, value in enumerate(criterion.values))


Formed = tuple[tuple[Value, ...], tuple[Value, ...]]
"""Form and values."""


def _is_plain(criterion: Criterion, parameter: SearchParameter) -> bool:
    """Whether a column of the resource table is compared with the value as it is."""
    if parameter.name == "_id":
        return True
    return parameter.name == "status" and not criterion.chain and not any("|" in value for value in criterion.values)


def _operand(parameter: SearchParameter, value: str, modifier: str | None, *, base_url: str, now: int) -> Formed:
    if parameter.kind == "token":
        return _token(value)
    if parameter.kind == "date":
        date = read_date(value, parameter.name, now=now)
        return ("date", date.prefix), (date.low, date.high)
    if parameter.kind == "string":
        return _string(unescape(value), modifier)
    places = _references(parameter, unescape(value), modifier, base_url)
    return ("reference", len(places)), tuple(places)


def _token(value: str) -> Formed:
    """``code``, ``system|code``, ``|code`` or ``system|``; a bare DICOM UID also matches as ``urn:oid:``."""
    *systems, code = (unescape(part) for part in split_unescaped(value, "|"))
    codes = ((code, f"urn:oid:{code}") if _UID.fullmatch(code) else (code,)) if code else ()
    return ("token", len(codes), len(systems[:1])), (*codes, *systems[:1])


def _string(value: str, modifier: str | None) -> Formed:
    """The beginning of a string; all of it as it is written, or any part of it."""
    folded = fold(value)
    if not folded:
        return ("text", "nothing"), ()
    if modifier == "exact":
        return ("text", "exact"), (value,)
    pattern = re.sub(r"([/%_])", r"/\1", folded)
    return ("text", "like"), (f"%{pattern}%" if modifier == "contains" else f"{pattern}%",)


def _text(table: FromClause, how: str, values: Sequence[BindParameter[Value]]) -> Condition:
    if how == "nothing":
        return false()
    if how == "exact":
        return table.c.system == values[0]
    return table.c.value.like(values[0], escape="/")


def _references(parameter: SearchParameter, value: str, kind: str | None, base_url: str) -> list[str]:
    relative = value.removeprefix(f"{base_url}/")
    if "/" in relative:
        return [relative]
    targets = [target for target in (parameter.target or kind,) if target] or list(PARAMETERS)
    return [f"{target}/{relative}" for target in targets]
