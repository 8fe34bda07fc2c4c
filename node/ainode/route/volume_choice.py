"""Which volume of a series an input wants, as its rule says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydicom import Dataset

from ainode.route.attribute import Attribute
from ainode.route.condition import Condition
from ainode.route.condition_reader import read_conditions
from ainode.route.privacy import shows_value
from ainode.toml_lines import KeyPath
from ainode.toml_source import TomlSource
from ainode.volume.split import Part, volume_names
from ainode.volume.traits import Trait, Value
from ainode_models.errors import GeometryError, RulesError

_NUMBER = "number"


@dataclass(frozen=True)
class RuleChoice:
    """The volume all of whose slices meet the conditions; of several, the one of that number."""

    conditions: tuple[Condition, ...]
    number: int | None
    """From 1, in the order of what tells the volumes apart."""
    table: Mapping[str, Any]
    """As it stands in the rules file, for the journal of runs."""

    @property
    def wish(self) -> str:
        """What is wanted, in words."""
        wishes = [f"{item.attribute.label} ({item.wish})" for item in self.conditions]
        return " and ".join([*wishes, f"{_NUMBER} {self.number}"] if self.number else wishes)

    @property
    def traits(self) -> Sequence[Trait]:
        """The attributes of the conditions."""
        attributes = {item.attribute.label: item.attribute for item in self.conditions}
        return [Trait(label, partial(_value, item), shows_value(item)) for label, item in attributes.items()]

    def pick(self, parts: Sequence[Part]) -> Part:
        """The volume that is wanted; raises GeometryError, with what there is, when it is none or several."""
        fitting = [part for part in parts if self._fits(part)]
        if self.number is None and len(fitting) > 1:
            raise GeometryError(
                f"{len(fitting)} volumes of the series are as the rule wants, {self.wish}: {volume_names(fitting)}. A "
                f"model takes one: let volume in the rule say more, or add {_NUMBER}"
            )
        if (self.number or 1) > len(fitting):
            raise GeometryError(
                f"the series has no volume as the rule wants, {self.wish}; it holds {_count(len(parts))}: "
                f"{volume_names(parts)}. Let volume in the rule name one of them, or the rule take another series"
            )
        return fitting[(self.number or 1) - 1]

    def _fits(self, part: Part) -> bool:
        return all(condition.holds(item.header) for item in part.slices for condition in self.conditions)


def read_choice(source: TomlSource, path: KeyPath, table: object) -> RuleChoice:
    """The choice in one ``volume`` table of the rules file; raises ``RulesError`` with file and line."""
    if not isinstance(table, dict) or not table:
        raise source.refusal(path, f"must be a table of conditions and {_NUMBER}, such as {{ EchoTime = 90 }}")
    number = table.get(_NUMBER)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        raise source.refusal((*path, _NUMBER), f"{number!r} is not a whole number from 1")
    others = {key: value for key, value in table.items() if key != _NUMBER}
    return RuleChoice(read_conditions(source, path, others), number, table)


def choice_of(table: Mapping[str, Any]) -> RuleChoice:
    """The choice of a run, from the table that was kept with it."""
    return read_choice(TomlSource(Path("rule of the run"), {}, RulesError, {}), ("volume",), dict(table))


def _value(attribute: Attribute, header: Dataset) -> Value:
    return attribute.values(header)


def _count(volumes: int) -> str:
    return "1 volume" if volumes == 1 else f"{volumes} volumes"
