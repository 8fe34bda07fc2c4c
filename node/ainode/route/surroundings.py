"""What a rule refers to outside its file: destinations of the settings, and installed models."""

from collections.abc import Mapping
from dataclasses import dataclass

from ainode.route.model_fit import Intake
from ainode.route.rule import Output, Rule
from ainode.settings import REPORT_KINDS
from ainode.spelling import allowed_hint
from ainode.toml_lines import KeyPath
from ainode.toml_source import TomlSource


@dataclass(frozen=True)
class Surroundings:
    """The destinations and models that rules may name; None where they are not known."""

    source: TomlSource
    destinations: Mapping[str, str] | None
    """Name to kind."""
    models: Mapping[str, Intake] | None
    """Name, and ``name@version``, to what the model takes."""

    def check(self, path: KeyPath, rule: Rule) -> None:
        """Raise ``RulesError`` on the first name that leads nowhere."""
        if self.destinations is not None:
            self._check_destinations(path, rule, self.destinations)
        if self.models is not None:
            self._check_model(path, rule, self.models)

    def _check_destinations(self, path: KeyPath, rule: Rule, known: Mapping[str, str]) -> None:
        for name in rule.destinations:
            if name not in known:
                raise self.source.refusal(
                    (*path, "destinations"), f"no [[destination]] is called {name!r}; {allowed_hint(name, known)}"
                )
        kinds = {known[name] for name in rule.destinations}
        dicom = [output.value for output in rule.outputs if output is not Output.FHIR]
        if dicom and not kinds & {"stow", "cstore"}:
            raise self.source.refusal(
                (*path, "destinations"),
                f"{' and '.join(dicom)} would go nowhere; add a destination of kind stow or cstore, or leave "
                f"{' and '.join(dicom)} out of outputs",
            )
        for kind in sorted(kinds.intersection(REPORT_KINDS)):
            if Output.FHIR not in rule.outputs:
                raise self.source.refusal(
                    (*path, "destinations"), f"a destination of kind {kind} gets nothing; add fhir to outputs"
                )

    def _check_model(self, path: KeyPath, rule: Rule, known: Mapping[str, Intake]) -> None:
        wanted = f"{rule.model}@{rule.version}" if rule.version else rule.model
        versions = [name for name in known if name.startswith(f"{rule.model}@")]
        if wanted not in known and (versions or rule.model not in known):
            choices = versions if rule.version and versions else list(known)
            raise self.source.refusal(
                (*path, "model"), f"no model {wanted!r} is installed; {allowed_hint(wanted, choices)}"
            )
        if misfit := (known[wanted] if wanted in known else known[rule.model]).misfit(rule):
            raise self.source.refusal((*path, *self._written(path, misfit.key)), misfit.message)

    def _written(self, path: KeyPath, key: KeyPath) -> KeyPath:
        """A condition that an input does not have itself stands in ``[rule.series]``."""
        if len(key) < 3 or (*path, *key) in self.source.lines or (*path, "series", key[-1]) not in self.source.lines:
            return key
        return ("series", key[-1])
