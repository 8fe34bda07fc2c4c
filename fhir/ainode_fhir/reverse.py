"""``_has``: resources that others refer to which answer something (https://hl7.org/fhir/R4/search.html#has)."""

from sqlalchemy import ColumnElement, func, literal, or_, select, true

from ainode_fhir.compartment import Compartment
from ainode_fhir.operand import Operand
from ainode_fhir.query import Criterion
from ainode_fhir.tables import index_table as index
from ainode_fhir.tables import resource_table as resource

_REFERRING = index.alias("referring")
_TESTED = index.alias("tested")
Condition = ColumnElement[bool]


def referred_to(
    kind: str,
    criterion: Criterion,
    operands: tuple[Operand, ...],
    *,
    rare: bool,
    within: Compartment | None,
) -> Condition:
    """Whether a resource of type ``kind`` is referred to as ``criterion`` asks.

    When ``rare``, what answers the ``operands`` is looked up first.
    """
    source, end = criterion.reverse, criterion.chain
    assert source
    assert end
    prefix, at = f"{kind}/", _REFERRING.c
    referring: tuple[Condition, ...] = (
        at.type == source,
        at.parameter == criterion.parameter.name,
        within.holds(source, at.id) if within else true(),
    )
    tested = select(_TESTED.c.id).where(_TESTED.c.type == source)
    if end.name == "_id":
        rare = True
        tested = tested.where(_TESTED.c.id.in_([value for operand in operands for value in operand.bound()]))
    else:
        several = or_(*(operand.matches(_TESTED) for operand in operands))
        tested = tested.where(_TESTED.c.parameter == end.name, several)
    if rare:
        found = select(func.substr(at.value, len(prefix) + 1)).where(
            *referring, at.value.startswith(prefix), at.id.in_(tested)
        )
        return resource.c.id.in_(found)
    one = tested.where(_TESTED.c.id == at.id).correlate(_REFERRING).limit(1).offset(0).exists()
    every = select(literal(1)).where(*referring, at.value == literal(prefix) + resource.c.id, one)
    return every.correlate(resource).limit(1).offset(0).exists()
