"""Whether a rule gives a model what the model takes: its inputs, their modality, volumes or single images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom import Dataset

from ainode.route.rule import Input, Output, Rule
from ainode.spelling import allowed_hint
from ainode.toml_lines import KeyPath
from ainode_models.cxr.header import MODALITIES as RADIOGRAPHS
from ainode_models.package import ModelPackage
from ainode_models.runtime import keeps_probabilities


@dataclass(frozen=True)
class Misfit:
    """The first thing of a rule that its model cannot use."""

    key: KeyPath
    """Where it stands in the rule."""
    message: str
    """What is wrong, and what to change."""


@dataclass(frozen=True)
class Intake:
    """What a model takes."""

    modalities: Mapping[str, str]
    """``Modality`` by the name of the input; empty where it is not known."""
    classifies: bool | None = None
    """Whether it classifies single images; False: it segments volumes; None: not known."""
    keeps_probabilities: bool | None = None
    """Whether its runtime gives the probabilities of voxels; None: not known."""

    @classmethod
    def of(cls, package: ModelPackage) -> "Intake":
        """As the package says."""
        manifest = package.manifest
        modalities = {each.name: each.modality for each in manifest.inputs}
        if manifest.classes:
            return cls(modalities, classifies=True, keeps_probabilities=False)
        return cls(modalities, classifies=False, keeps_probabilities=keeps_probabilities(package))

    def misfit(self, rule: Rule) -> Misfit | None:
        """The first thing of ``rule`` that the model cannot use; None when all is well."""
        return next(self._misfits(rule), None)

    def _misfits(self, rule: Rule) -> Iterator[Misfit]:
        given = [entry.name for entry in rule.inputs]
        for name in given:
            if name not in self.modalities:
                hint = allowed_hint(name, self.modalities)
                yield Misfit(("input", name), f"model {rule.model!r} has no such input; {hint}")
        if missing := [name for name in self.modalities if name not in given]:
            wanted = f"model {rule.model!r} also needs {', '.join(missing)}: add [rule.input.{missing[0]}]"
            yield Misfit(("input",), wanted)
        for entry in rule.inputs:
            yield from self._of_input(rule, entry)
        yield from self._of_outputs(rule)

    def _of_input(self, rule: Rule, entry: Input) -> Iterator[Misfit]:
        if self.classifies and entry.volume is not None:
            message = (
                f"model {rule.model!r} classifies single images, and volume chooses among the volumes of a series; "
                "leave volume out, and choose the image's series by conditions, such as ViewPosition"
            )
            yield Misfit(("input", entry.name, "volume"), message)
        taken = self._taken(self.modalities.get(entry.name, ""))
        if taken and not any(_may_be(entry, modality) for modality in taken):
            message = (
                f"no series of Modality {' or '.join(taken)}, which model {rule.model!r} takes as {entry.name}, meets "
                f'this; ask for Modality = "{taken[0]}", or name a model for these series'
            )
            yield Misfit(("input", entry.name, "Modality"), message)

    def _taken(self, modality: str) -> tuple[str, ...]:
        """Radiographs of one kind are as good as those of another."""
        if modality in RADIOGRAPHS:
            return (modality, *(other for other in RADIOGRAPHS if other != modality))
        return (modality,) if modality else ()

    def _of_outputs(self, rule: Rule) -> Iterator[Misfit]:
        """Outputs that nobody asked for by name are left out without a word."""
        never, why = self._never_made()
        asked = [output for output in rule.outputs if output in never] if rule.names_outputs else []
        if asked:
            others = ", ".join(each for each in Output if each not in never)
            message = f"{asked[0].value!r} is never made of model {rule.model!r}, {why}; allowed: {others}"
            yield Misfit(("outputs",), message)

    def _never_made(self) -> tuple[tuple[Output, ...], str]:
        """Outputs that the model gives nothing for, and why."""
        if self.classifies:
            return (Output.SEG, Output.PM), "which classifies images"
        return ((Output.PM,), "whose runtime keeps no probabilities") if self.keeps_probabilities is False else ((), "")


def _may_be(entry: Input, modality: str) -> bool:
    """Whether the conditions on Modality let a series of ``modality`` through."""
    header = Dataset()
    header.Modality = modality
    return all(item.holds(header) for item in entry.conditions if item.attribute.label == "Modality")
