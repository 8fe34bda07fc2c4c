"""From one entry of the rules file to a ``Condition``."""

from collections.abc import Mapping

from ainode.route.attribute import Attribute, Value, parse_attribute
from ainode.route.condition import Condition
from ainode.route.pattern import compile_pattern
from ainode.route.value_test import Between, Matching, OneOf, ValueTest
from ainode.spelling import allowed_hint
from ainode.toml_lines import KeyPath
from ainode.toml_source import TomlSource

_KEYS = ("equals", "in", "regex", "min", "max", "exists", "not")
_TABLE = f"or a table of {', '.join(_KEYS)}"


def read_conditions(source: TomlSource, path: KeyPath, table: object) -> tuple[Condition, ...]:
    """The conditions of one table, such as ``[rule.series]``; raises ``RulesError`` with file and line."""
    if not isinstance(table, dict):
        raise source.refusal(path, 'must be a table of conditions, such as { Modality = "MR" }')
    return tuple(_condition(source, (*path, key), key, value) for key, value in table.items())


def _condition(source: TomlSource, path: KeyPath, key: str, value: object) -> Condition:
    try:
        attribute = parse_attribute(key)
    except ValueError as exc:
        raise source.refusal(path, str(exc)) from exc
    return _Reader(source, attribute).condition(path, value)


class _Reader:
    def __init__(self, source: TomlSource, attribute: Attribute) -> None:
        self._source = source
        self._attribute = attribute

    def condition(self, path: KeyPath, value: object) -> Condition:
        if isinstance(value, dict):
            return self._from_table(path, value)
        return Condition(self._attribute, (self._one_of(path, value),))

    def _from_table(self, path: KeyPath, table: Mapping[str, object]) -> Condition:
        for key in table:
            if key not in _KEYS:
                raise self._source.refusal((*path, key), f"unknown key; {allowed_hint(key, _KEYS)}")
        if not table:
            raise self._source.refusal(path, f"asks for nothing; allowed: {', '.join(_KEYS)}")
        exists = self._exists((*path, "exists"), table.get("exists"))
        if exists is False and len(table) > 1:
            raise self._source.refusal((*path, "exists"), "false leaves no value for the other conditions to hold on")
        but_not = self.condition((*path, "not"), table["not"]) if "not" in table else None
        return Condition(self._attribute, self._tests(path, table), exists, but_not)

    def _tests(self, path: KeyPath, table: Mapping[str, object]) -> tuple[ValueTest, ...]:
        tests: list[ValueTest] = [self._one_of((*path, key), table[key]) for key in ("equals", "in") if key in table]
        if "regex" in table:
            tests.append(self._matching((*path, "regex"), table["regex"]))
        if "min" in table or "max" in table:
            tests.append(self._between(path, table))
        return tuple(tests)

    def _exists(self, path: KeyPath, value: object) -> bool | None:
        if value is not None and not isinstance(value, bool):
            raise self._source.refusal(path, f"{value!r} is not true or false")
        return value

    def _one_of(self, path: KeyPath, value: object) -> OneOf:
        self._need_comparable(path)
        listed = value if isinstance(value, list) else [value]
        if (path[-1] == "in" and not isinstance(value, list)) or not listed:
            raise self._source.refusal(path, 'must be a list of values, such as ["BRAIN", "HEAD"]')
        return OneOf(tuple(self._operand(path, item) for item in listed))

    def _operand(self, path: KeyPath, value: object) -> Value:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._source.refusal(path, f"{value!r} is not a text or a number; allowed: those, a list, {_TABLE}")
        if isinstance(value, str) and self._attribute.is_numeric:
            raise self._source.refusal(path, f"{self._attribute.label} holds numbers; write {value!r} without quotes")
        if not isinstance(value, str) and self._attribute.is_text:
            raise self._source.refusal(path, f'{self._attribute.label} holds text; write "{value}" in quotes')
        return value if isinstance(value, str) else float(value)

    def _matching(self, path: KeyPath, value: object) -> Matching:
        self._need_comparable(path)
        if self._attribute.is_numeric:
            raise self._source.refusal(path, f"{self._attribute.label} holds numbers; use min and max")
        if not isinstance(value, str):
            raise self._source.refusal(path, f"{value!r} is not a regular expression in quotes")
        try:
            return Matching(compile_pattern(value))
        except ValueError as exc:
            raise self._source.refusal(path, str(exc)) from exc

    def _between(self, path: KeyPath, table: Mapping[str, object]) -> Between:
        self._need_comparable(path)
        minimum, maximum = (self._limit((*path, key), table.get(key)) for key in ("min", "max"))
        label = self._attribute.label
        if self._attribute.is_text and self._attribute.vr != "AS":
            raise self._source.refusal(path, f"{label} holds text; min and max are for numbers and ages")
        if minimum is not None and maximum is not None and minimum > maximum:
            raise self._source.refusal((*path, "max"), f"{maximum:g} is below min, {minimum:g}")
        return Between(minimum, maximum)

    def _limit(self, path: KeyPath, value: object) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._source.refusal(path, f"{value!r} is not a number")
        return float(value)

    def _need_comparable(self, path: KeyPath) -> None:
        if not self._attribute.is_comparable:
            raise self._source.refusal(
                path, f"{self._attribute.label} holds a sequence or bytes (VR {self._attribute.vr}); allowed: exists"
            )
