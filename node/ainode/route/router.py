"""Which rules take a study, which series each gives to its model, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydicom.uid import ParametricMapStorage

from ainode.route.assignment import assign
from ainode.route.condition import Condition
from ainode.route.rule import Input, Rule
from ainode.study import Series, Study

_DERIVED = frozenset(
    {"SEG", "SR", "KO", "PR", "REG", "FID", "RWV", "DOC", "PLAN", "SMR", "ASMT", "TEXTUREMAP"}
    | {"RTSTRUCT", "RTDOSE", "RTPLAN", "RTRECORD"}
)
"""Modalities (PS3.3 C.7.3.1.1.1) of objects that were made from images."""


@dataclass(frozen=True)
class Decision:
    """A rule that takes the study: every input has its series."""

    rule: Rule
    inputs: Mapping[str, Series]


@dataclass(frozen=True)
class Partial:
    """A rule that would take the study if the missing inputs came."""

    rule: Rule
    inputs: Mapping[str, Series]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class SeriesVerdict:
    """What one rule says about one series, without patient data."""

    series_uid: str
    inputs: tuple[str, ...]
    """The model inputs that it is taken for: one, or several that each want another volume of it."""
    reasons: tuple[str, ...]

    @property
    def input(self) -> str | None:
        """The inputs in words; None when it is not taken."""
        return ", ".join(self.inputs) or None


@dataclass(frozen=True)
class RuleVerdict:
    """What one rule says about a study, without patient data."""

    rule: Rule
    summary: str
    """``takes the study``, ``waits for FLAIR``, or why it does not want it."""
    series: tuple[SeriesVerdict, ...]


@dataclass(frozen=True)
class Routing:
    """What all rules say about a study."""

    decisions: tuple[Decision, ...]
    partials: tuple[Partial, ...]
    verdicts: tuple[RuleVerdict, ...]
    """One for each rule, in the order of the rules."""


def route(rules: Iterable[Rule], study: Study) -> Routing:
    """Ask every rule; several can take one study, each for its own model.

    A series serves one input, or several that each want another volume of it. An input takes, of the series that meet
    its conditions, the one with the most images, then the lowest Series Number, then the lowest Series Instance UID
    (``ainode.route.assignment``).
    """
    outcomes = [_Outcome.of(rule, study) for rule in rules]
    return Routing(
        decisions=tuple(Decision(item.rule, item.inputs) for item in outcomes if item.inputs and not item.missing),
        partials=tuple(
            Partial(item.rule, item.inputs, item.missing) for item in outcomes if item.inputs and item.missing
        ),
        verdicts=tuple(item.verdict(study) for item in outcomes),
    )


@dataclass(frozen=True)
class _Outcome:
    rule: Rule
    wanted: bool
    inputs: Mapping[str, Series]

    @classmethod
    def of(cls, rule: Rule, study: Study) -> "_Outcome":
        wanted = not rule.study or any(_meets(rule.study, series) for series in study.series)
        candidates = {
            entry.name: [series for series in study.series if not _objections(entry, series)] for entry in rule.inputs
        }
        return cls(rule, wanted, assign(rule.inputs, candidates) if wanted else {})

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.rule.inputs if entry.name not in self.inputs)

    def verdict(self, study: Study) -> RuleVerdict:
        return RuleVerdict(self.rule, self._summary(), tuple(self._series(series) for series in study.series))

    def _summary(self) -> str:
        if not self.wanted:
            wishes = " and ".join(f"{item.attribute.label} ({item.wish})" for item in self.rule.study)
            return f"does not want the study: no series has the wanted {wishes}"
        if not self.inputs:
            return "does not want the study: no series fits any input"
        return f"waits for {', '.join(self.missing)}" if self.missing else "takes the study"

    def _series(self, series: Series) -> SeriesVerdict:
        taken = [entry for entry in self.rule.inputs if self.inputs.get(entry.name) is series]
        if taken:
            said = dict.fromkeys(reason for entry in taken for reason in _why(entry, series))
            return SeriesVerdict(series.series_uid, tuple(entry.name for entry in taken), tuple(said))
        by_reason: dict[str, list[str]] = {}
        for entry in self.rule.inputs:
            for objection in self._why_not(entry, series):
                by_reason.setdefault(objection, []).append(entry.name)
        reasons = [f"not {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
        return SeriesVerdict(series.series_uid, (), tuple(reasons))

    def _why_not(self, entry: Input, series: Series) -> list[str]:
        if objections := _objections(entry, series):
            return objections
        if not self.wanted:
            return ["it fits, but the rule does not want the study"]
        return [f"it fits, but {_better(self.inputs[entry.name], series)}"]


def _meets(conditions: tuple[Condition, ...], series: Series) -> bool:
    return all(condition.holds(series.header) for condition in conditions)


def _why(entry: Input, series: Series) -> list[str]:
    reasons = [condition.explain(series.header).reason for condition in entry.conditions]
    return reasons if entry.volume is None else [*reasons, f"{entry.name} takes its volume with {entry.volume.wish}"]


def _objections(entry: Input, series: Series) -> list[str]:
    if _is_derived(series) and not entry.names_modality:
        kind = f"Modality {series.modality}" if series.modality in _DERIVED else "a Parametric Map"
        return [f"{kind} is made from images; a rule takes it only when it names Modality"]
    verdicts = [condition.explain(series.header) for condition in entry.conditions]
    return [verdict.reason for verdict in verdicts if not verdict.matched]


def _is_derived(series: Series) -> bool:
    """A Parametric Map has any Modality, and lies on slices as images do: ours must not be taken for one."""
    return series.modality in _DERIVED or series.header.get("SOPClassUID") == ParametricMapStorage


def _better(chosen: Series, series: Series) -> str:
    if chosen.images != series.images:
        return f"another series has more images ({chosen.images} to {series.images})"
    return "another series with as many images comes first by Series Number or UID"
