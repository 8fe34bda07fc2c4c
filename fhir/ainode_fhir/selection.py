"""A Query as SQL conditions on the resource table.

What leads to few resources (an identifier, a reference, a rare code) is looked up in the index first; what describes
many (a category, a date) is tested on one resource after the other. So a page takes as long in a large database as in a
small one. Which of the two a code is, is seen by counting its entries in the index, to a bound: SQLite knows little of
what its tables hold, and PostgreSQL takes the codes of one parameter to be as rare as those of another.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from ainode_fhir.compartment import COMPARTMENT, Compartment
from ainode_fhir.operand import Operand, Value, operands_of
from ainode_fhir.ordering import SORTED
from ainode_fhir.parameters import SearchParameter
from ainode_fhir.query import COUNTED, Criterion, Query
from ainode_fhir.reverse import referred_to
from ainode_fhir.tables import index_table as index
from ainode_fhir.tables import resource_table as resource

_TARGET = index.alias("target")
"""The index again, for what a chain leads to."""
_BY_COLUMN = ("_id", "_lastUpdated", "status")
"""Parameters that the resource table itself answers."""
FEW = 2000
"""Entries of the index that are looked up at once."""
Condition = ColumnElement[bool]


@dataclass(frozen=True)
class Circumstances:
    """What conditions depend on beside the query."""

    operands: Mapping[Criterion, tuple[Operand, ...]] = field(default_factory=dict)
    """What each criterion compares."""
    rare: frozenset[Criterion] = frozenset()
    """What few resources answer, as `rare` found."""
    within: Compartment | None = None
    """What the caller may see; None for all."""


def circumstances(query: Query, *, base_url: str, now: int, within: Compartment | None = None) -> Circumstances:
    """Those of a query, before it is known what few resources answer; arguments as of ``operands_of``."""
    operands = {
        criterion: operands_of(number, criterion, base_url=base_url, now=now)
        for number, criterion in enumerate(query.criteria)
    }
    return Circumstances(operands, within=within)


def named(given: Circumstances) -> dict[str, Value]:
    """The values of all operands by their names."""
    return {
        name: value
        for operands in given.operands.values()
        for operand in operands
        for name, value in operand.named().items()
    }


def shape(query: Query, given: Circumstances) -> Hashable:
    """What the conditions depend on beside the values of the operands; None when they are seldom the same."""
    if given.within:
        return None
    return (query.kind, query.order, *(_shape(criterion, given) for criterion in query.criteria))


def _shape(criterion: Criterion, given: Circumstances) -> Hashable:
    missing = criterion.values if criterion.modifier == "missing" else ()
    forms = tuple((operand.name, operand.form) for operand in given.operands[criterion])
    end = criterion.chain.name if criterion.chain else None
    how = (criterion.modifier, end, criterion.chain_modifier, criterion.reverse, criterion in given.rare)
    return (criterion.parameter.name, *how, missing, forms)


def conditions(query: Query, given: Circumstances) -> Condition:
    """What a row of the resource table must be to answer ``query``, apart from its page."""
    return and_(
        resource.c.type == query.kind,
        # Said so, no index on it can be used: SQLite else goes through all resources rather than look few up.
        resource.c.current.is_not(False) if looks_few_up(query, given) else resource.c.current,
        ~resource.c.deleted,
        *(_condition(query.kind, criterion, given) for criterion in query.criteria),
        *_ranges(query, given),
        *([given.within.holds(query.kind, resource.c.id)] if given.within else []),
    )


def looks_few_up(query: Query, given: Circumstances) -> bool:
    """Whether a list of few resources is looked up first, which is then to be sorted."""
    return bool(given.rare) or any(_leads(criterion) for criterion in query.criteria)


def rare(connection: Connection, query: Query, given: Circumstances) -> frozenset[Criterion]:
    """The criteria with at most `FEW` entries in the index; none where another one leads to few resources anyhow."""
    if any(_leads(criterion) for criterion in query.criteria):
        return frozenset()
    return frozenset(
        criterion
        for criterion in query.criteria
        if _are_few(connection, _entries(query.kind, criterion, given, exactly=False))
    )


def surely_many(connection: Connection, query: Query, given: Circumstances) -> bool:
    """Whether more than `COUNTED` resources answer a query of one criterion, by a glance at its entries in the index.

    False where that does not show, though there may be as many.
    """
    if len(query.criteria) != 1 or given.within:
        return False
    (criterion,) = query.criteria
    if criterion.modifier or criterion.chain or criterion in given.rare or _leads(criterion):
        return False
    entries = _entries(query.kind, criterion, given, exactly=True)
    if entries is None:
        return False
    some = entries.limit(COUNTED + COUNTED // 10 + 1).subquery()
    return (connection.scalar(select(func.count(some.c.id.distinct()))) or 0) > COUNTED


def _are_few(connection: Connection, entries: Select[str] | None) -> bool:
    if entries is None:
        return False
    counted = select(func.count()).select_from(entries.limit(FEW + 1).subquery())
    return (connection.scalar(counted) or 0) <= FEW


def _leads(criterion: Criterion) -> bool:
    if criterion.modifier in ("missing", "not"):
        return False
    chain = criterion.chain
    if criterion.reverse and chain:
        return _names_few(chain)
    return _names_few(criterion.parameter) and (chain is None or chain.name == "identifier")


def _entries(kind: str, criterion: Criterion, given: Circumstances, *, exactly: bool) -> Select[str] | None:
    """Entries of the index, or those at the end of a chain, that answer a criterion which is not about a date.

    Not ``exactly``: with those of other systems, which the index by value tells without a look at the table.
    """
    table, parameter, modifier = index, criterion.parameter, criterion.modifier
    if criterion.chain:
        kind = criterion.reverse or parameter.target or modifier or ""
        parameter, modifier = criterion.chain, criterion.chain_modifier
    if parameter.kind == "date" or parameter.name in _BY_COLUMN or modifier in ("missing", "identifier"):
        return None
    operands = given.operands[criterion]
    several = _any(table, operands) if exactly else or_(*(operand.roughly_matches(table) for operand in operands))
    return select(table.c.id).where(table.c.type == kind, table.c.parameter == parameter.name, several)


def _ranges(query: Query, given: Circumstances) -> list[Condition]:
    """Once more the dates by which the answer is sorted, so that the database begins there in its index."""
    sorted_by = query.order[0].column
    dates = [
        given.operands[criterion][0].dated
        for criterion in query.criteria
        if criterion.parameter.kind == "date"
        and SORTED.get(criterion.parameter.name) == sorted_by != "last_updated"
        and len(criterion.values) == 1
        and not (criterion.chain or criterion.modifier)
    ]
    return [date.may_be_met_from(resource.c[sorted_by]) for date in dates]


def _condition(kind: str, criterion: Criterion, given: Circumstances) -> Condition:
    parameter, name, operands = criterion.parameter, criterion.parameter.name, given.operands[criterion]
    if criterion.reverse:
        return _reverse(kind, criterion, given)
    if criterion.modifier == "missing":
        return _missing(kind, name, criterion.values[0] == "true")
    if name == "_id":
        held: Condition = resource.c.id.in_([value for operand in operands for value in operand.bound()])
    elif operands[0].form[0] == "plain":  # a status: what few have is found by its own index
        held = resource.c.status.in_([value for operand in operands for value in operand.bound()])
    elif name == "_lastUpdated":
        at = resource.c.last_updated
        held = or_(*(operand.dated.met_by(at, at + 1) for operand in operands))
    elif criterion.chain:
        held = _chained(kind, criterion, criterion.chain, given)
    elif criterion.modifier == "identifier":
        held = _found(kind, f"{name}:identifier", _any(index, operands))
    else:
        match = _any(index, operands)
        few = _names_few(parameter) or criterion in given.rare
        held = _found(kind, name, match) if few else _tested(kind, name, match)
    return ~held if criterion.modifier == "not" else held


def _names_few(parameter: SearchParameter) -> bool:
    """Whether a value of it leads to few resources: a Device has made very many."""
    return parameter.name in ("_id", "identifier") or (parameter.kind == "reference" and parameter.target != "Device")


def _found(kind: str, name: str, match: Condition) -> Condition:
    return resource.c.id.in_(_ids(kind, name, match))


def _ids(kind: str, name: str, match: Condition) -> Select[str]:
    return select(index.c.id).where(index.c.type == kind, index.c.parameter == name, match)


def _tested(kind: str, name: str, *match: Condition) -> Condition:
    """By a subquery for each resource: OFFSET keeps PostgreSQL from making a join over the whole index of it."""
    own = and_(index.c.type == kind, index.c.id == resource.c.id, index.c.parameter == name)
    return select(literal(1)).where(own, *match).correlate(resource).limit(1).offset(0).exists()


def _missing(kind: str, name: str, wanted: bool) -> Condition:
    if name in ("_id", "_lastUpdated"):
        return false() if wanted else true()
    there = or_(_tested(kind, name), _tested(kind, f"{name}:identifier"))
    return ~there if wanted else there


def _reverse(kind: str, criterion: Criterion, given: Circumstances) -> Condition:
    assert criterion.chain
    few = _names_few(criterion.chain) or criterion in given.rare
    return referred_to(kind, criterion, given.operands[criterion], rare=few, within=given.within)


def _chained(kind: str, criterion: Criterion, chain: SearchParameter, given: Circumstances) -> Condition:
    """The referenced resource is found in our index, or the reference carries the identifier itself."""
    parameter, target = criterion.parameter, criterion.parameter.target or criterion.modifier
    operands = given.operands[criterion]
    wanted = and_(_TARGET.c.type == target, _TARGET.c.parameter == chain.name, _any(_TARGET, operands))
    # A target of any other type is theirs because it is referred to.
    if given.within and target and (target == "Patient" or target in COMPARTMENT):
        wanted = and_(wanted, given.within.holds(target, _TARGET.c.id))
    prefix = f"{target}/"
    if chain.name == "identifier" or criterion in given.rare:
        linked: Condition = index.c.value.in_(select(literal(prefix) + _TARGET.c.id).where(wanted))
        if chain.name != "identifier":
            return _found(kind, parameter.name, linked)
        # One list of both: for either of two lists, PostgreSQL and SQLite look through all resources.
        logical = _ids(kind, f"{parameter.name}:identifier", _any(index, operands))
        return resource.c.id.in_(union_all(_ids(kind, parameter.name, linked), logical))
    same = _TARGET.c.id == func.substr(index.c.value, len(prefix) + 1)
    linked = select(literal(1)).where(same, wanted).correlate(index).limit(1).offset(0).exists()
    return _tested(kind, parameter.name, index.c.value.startswith(prefix), linked)


def _any(table: FromClause, operands: tuple[Operand, ...]) -> Condition:
    """Whether a row of the index has one of the values."""
    return or_(*(operand.matches(table) for operand in operands))
