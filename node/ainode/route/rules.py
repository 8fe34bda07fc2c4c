"""The rules file: read strictly, and checked against the destinations and models that there are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ainode.route.condition_reader import read_conditions
from ainode.route.model_fit import Intake
from ainode.route.rule import Input, Output, Priority, Rule
from ainode.route.surroundings import Surroundings
from ainode.route.volume_choice import read_choice
from ainode.spelling import allowed_hint
from ainode.toml_lines import KeyPath
from ainode.toml_source import TomlSource
from ainode_models.errors import RulesError
from ainode_models.profile import EXACT

_KEYS = ("name", "model", "outputs", "destinations", "priority", "study", "series", "input")
_VOLUME = "volume"
_OUTPUTS = tuple(Output)
_UNASKED = (Output.SEG, Output.SR, Output.FHIR)
_PRIORITIES = tuple(priority.name.lower() for priority in Priority)


def load_rules(
    path: Path,
    *,
    destinations: Mapping[str, str] | None = None,
    models: Mapping[str, Intake] | None = None,
) -> tuple[Rule, ...]:
    """Every rule of a file, in its order; raises ``RulesError`` with file, line and what is allowed.

    ``destinations`` maps the name of each destination to its kind (``stow``, ``cstore``, ``fhir``); ``models`` maps the
    name of each model, and ``name@version`` where versions can be told, to what it takes. What is None is not checked.
    """
    source = TomlSource.read(path, RulesError)
    for key in source.data:
        if key != "rule":
            raise source.refusal((key,), f"unknown key; {allowed_hint(key, ('rule',))}: each rule begins with [[rule]]")
    tables = source.data.get("rule", [])
    if not isinstance(tables, list):
        raise source.refusal(("rule",), "must be a list of tables: write [[rule]], with two brackets")
    surroundings = Surroundings(source, destinations, models)
    rules: list[Rule] = []
    for index, table in enumerate(tables):
        rule = _RuleReader(source, ("rule", index)).read(table)
        if rule.name in (other.name for other in rules):
            raise source.refusal(("rule", index, "name"), "another rule has this name; give each its own")
        surroundings.check(("rule", index), rule)
        rules.append(rule)
    return tuple(rules)


class _RuleReader:
    def __init__(self, source: TomlSource, path: KeyPath) -> None:
        self._source = source
        self._path = path

    def read(self, table: object) -> Rule:
        if not isinstance(table, dict):
            raise self._source.refusal(self._path, "must be a table: write [[rule]] on a line of its own")
        for key in table:
            if key not in _KEYS:
                raise self._refusal(key, f"unknown key; {allowed_hint(key, _KEYS)}")
        bare, plus, profile = self._text(table, "model").partition("+")
        model, pinned, version = bare.partition("@")
        if not model or bool(pinned) != bool(version) or bool(plus) != bool(profile):
            raise self._refusal(
                "model", f'{table["model"]!r} is not "name" or "name@version", each with "+profile" or not'
            )
        return Rule(
            name=self._text(table, "name"),
            model=model,
            version=version or None,
            profile=profile or EXACT,
            study=read_conditions(self._source, (*self._path, "study"), table.get("study", {})),
            inputs=self._inputs(table),
            outputs=self._outputs(table),
            destinations=self._words(table, "destinations", None, default=()),
            priority=self._priority(table),
            names_outputs="outputs" in table,
        )

    def _outputs(self, table: Mapping[str, Any]) -> tuple[Output, ...]:
        outputs = tuple(Output(word) for word in self._words(table, "outputs", _OUTPUTS, default=_UNASKED))
        if Output.TREE in outputs and Output.SR not in outputs:
            raise self._refusal("outputs", "'tree' points into the Structured Report: add 'sr', or leave 'tree' out")
        if Output.PM in outputs and Output.SEG not in outputs:
            raise self._refusal("outputs", "'pm' comes beside the segmentation only: add 'seg', or leave 'pm' out")
        return outputs

    def _refusal(self, key: str, message: str) -> Exception:
        return self._source.refusal((*self._path, key), message)

    def _text(self, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key)
        if value is None:
            raise self._refusal(key, "is missing; a rule needs name, model and at least one [rule.input.NAME]")
        if not isinstance(value, str) or not value.strip():
            raise self._refusal(key, f"{value!r} is not a text")
        return value

    def _words(
        self, table: Mapping[str, Any], key: str, allowed: tuple[str, ...] | None, *, default: tuple[str, ...]
    ) -> tuple[str, ...]:
        words = table.get(key, list(default))
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self._refusal(key, f"{words!r} is not a list of texts")
        for word in words:
            if allowed is not None and word not in allowed:
                raise self._refusal(key, f"{word!r} is unknown; {allowed_hint(word, allowed)}")
            if words.count(word) > 1:
                raise self._refusal(key, f"{word!r} is there twice")
        if allowed and not words:
            raise self._refusal(key, f"is empty; allowed: {', '.join(allowed)}")
        return tuple(words)

    def _priority(self, table: Mapping[str, Any]) -> Priority:
        word = table.get("priority", "routine")
        if word not in _PRIORITIES:
            raise self._refusal("priority", f"{word!r} is unknown; {allowed_hint(str(word), _PRIORITIES)}")
        return Priority[word.upper()]

    def _inputs(self, table: Mapping[str, Any]) -> tuple[Input, ...]:
        inputs = table.get("input")
        if not isinstance(inputs, dict) or not inputs:
            raise self._refusal("input", "is missing; name each input of the model with a table [rule.input.NAME]")
        shared = read_conditions(self._source, (*self._path, "series"), table.get("series", {}))
        return tuple(self._input(name, shared, own) for name, own in inputs.items())

    def _input(self, name: str, shared: tuple[Any, ...], table: object) -> Input:
        path = (*self._path, "input", name)
        volume = None
        if isinstance(table, dict) and _VOLUME in table:
            volume = read_choice(self._source, (*path, _VOLUME), table[_VOLUME])
            table = {key: value for key, value in table.items() if key != _VOLUME}
        conditions = shared + read_conditions(self._source, path, table)
        if not conditions:
            raise self._source.refusal(path, "has no condition, so it would take any series; add one, such as Modality")
        return Input(name, conditions, volume)
