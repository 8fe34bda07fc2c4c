"""From a study to the runs that the rules ask for, with the models that are installed now."""

from collections.abc import Callable
from dataclasses import dataclass

from ainode.journal.runs import RunSpec
from ainode.route.router import Decision, Partial, RuleVerdict, route
from ainode.route.rule import Priority
from ainode.route.site import survey_rules
from ainode.settings import Settings
from ainode.study import Study
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry


@dataclass(frozen=True)
class Plan:
    """What the rules want of one study."""

    specs: tuple[RunSpec, ...]
    """One run for each rule that takes the study, and whose model can be used."""
    wanted: frozenset[str]
    """SeriesInstanceUIDs that rules take, those that are held up included."""
    waiting_for: tuple[str, ...]
    """For each rule that lacks inputs, what it waits for, in words."""
    unwanted: str
    """Why no rule wants the study, in words; only of use when none does."""
    held_up: tuple[str, ...] = ()
    """For each rule that takes the study but whose model cannot be used: why, in words."""


class Planner:
    """Reads rules and models anew for every study, so that neither needs a restart."""

    def __init__(
        self, settings: Settings, registry: Registry, *, is_urgent: Callable[[Study], bool] = lambda _study: False
    ) -> None:
        """``is_urgent`` says whether a study was ordered so, whatever the rules say of its priority."""
        self._settings = settings
        self._registry = registry
        self._is_urgent = is_urgent

    def plan(self, study: Study) -> Plan:
        """Plan for one study; raises ``RulesError`` or ``PackageError`` while no rule can be used."""
        site = survey_rules(self._settings, self._registry)
        routing = route(site.rules, study)
        taken = {decision.rule.name: decision for decision in routing.decisions}
        urgent = bool(taken) and self._is_urgent(study)
        return Plan(
            specs=tuple(
                self._spec(study, taken[name], package, urgent=urgent)
                for name, package in site.packages.items()
                if name in taken
            ),
            wanted=frozenset(series.series_uid for decision in taken.values() for series in decision.inputs.values()),
            waiting_for=tuple(_wait(partial) for partial in routing.partials),
            unwanted=_unwanted(routing.verdicts),
            held_up=tuple(
                f"rule {name!r} is held up: {error}" for name, error in site.held_up.items() if name in taken
            ),
        )

    def _spec(self, study: Study, decision: Decision, package: ModelPackage, *, urgent: bool) -> RunSpec:
        rule = decision.rule
        manifest = package.manifest
        return RunSpec(
            study_uid=study.study_uid,
            rule=rule.name,
            model=manifest.name,
            model_version=package.version,
            weights_sha256=package.weights_sha256,
            # In the order of the model's channels: the first is the one that the results lie on.
            inputs={item.name: decision.inputs[item.name].sop_uids for item in manifest.inputs},
            files={
                item.name: tuple(path.stem for path in decision.inputs[item.name].paths) for item in manifest.inputs
            },
            contested=tuple(sha256 for item in manifest.inputs for sha256 in decision.inputs[item.name].contested),
            outputs=tuple(rule.outputs),
            destinations=rule.destinations,
            priority=int(Priority.URGENT if urgent else rule.priority),
            volumes={entry.name: entry.volume.table for entry in rule.inputs if entry.volume},
        )


def _wait(partial: Partial) -> str:
    return f"rule {partial.rule.name!r} waits for a series for {', '.join(partial.missing)}"


def _unwanted(verdicts: tuple[RuleVerdict, ...]) -> str:
    told = "; ".join(f"{verdict.rule.name!r} {verdict.summary}" for verdict in verdicts)
    return f"no rule wants it: {told or 'there are no rules'}"
