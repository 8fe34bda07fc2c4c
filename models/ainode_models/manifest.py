"""What a model package says about itself: ``model.toml``, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from ainode_models.class_label import ClassLabel, classes_of
from ainode_models.findings import Code
from ainode_models.label import Label, code_of, labels_of
from ainode_models.profile import Profile, profiles_of
from ainode_models.sample import Sample
from ainode_models.table import Table

SCHEMA = 1
"""The version of ``model.toml`` that this release reads."""

_PROFILED = ("nnunet",)
"""Runtimes that know profiles."""
_TEXTS = ("title", "manufacturer", "intended_use", "disclaimer", "limits", "licence")


@dataclass(frozen=True)
class Training:
    """Facts about how the weights were made; what is not known is None."""

    data: str
    """What it learnt from, for people to read."""
    completed: date | None
    cases: int | None
    seed: int | None
    epochs: int | None
    dice: Mapping[str, float]
    """Mean over held-out cases, by the name of the label."""

    @classmethod
    def of(cls, table: Table) -> "Training":
        """Read ``[training]``; raises `PackageError`."""
        table.expect(("data",), ("completed", "cases", "seed", "epochs", "dice"))
        completed = table.entries.get("completed")
        if completed is not None and type(completed) is not date:
            raise table.fault("completed", "must be a date such as 2026-01-31, without quotes")
        cases, seed, epochs = (_count(table, key) for key in ("cases", "seed", "epochs"))
        dice = table.table("dice") if "dice" in table.entries else Table(table.file, "", {})
        return cls(
            data=table.text("data"),
            completed=completed,
            cases=cases,
            seed=seed,
            epochs=epochs,
            dice=MappingProxyType({name: dice.scalar(name, float) for name in dice.entries}),
        )


@dataclass(frozen=True)
class WeightsFile:
    """A file that decides what the model answers."""

    path: PurePosixPath
    """Relative to the package."""
    sha256: str

    @classmethod
    def of(cls, table: Table) -> "WeightsFile":
        """Read one ``[[weights]]``; raises `PackageError`."""
        table.expect(("path", "sha256"))
        return cls(
            table.inner_path("path"), table.text("sha256", r"[0-9a-f]{64}", meaning="64 lower-case hexadecimal digits")
        )


@dataclass(frozen=True)
class ModelInput:
    """One channel of the network."""

    name: str
    modality: str
    """``Modality`` (0008,0060)."""
    description: str

    @classmethod
    def of(cls, table: Table) -> "ModelInput":
        """Read one ``[[input]]``; raises `PackageError`."""
        table.expect(("name", "modality", "description"))
        return cls(
            name=table.text("name", r"[A-Za-z0-9_-]+", meaning="letters, digits, _ and -"),
            modality=table.text("modality", r"[A-Z0-9_]{2,16}", meaning="a DICOM Modality such as MR"),
            description=table.text("description"),
        )


@dataclass(frozen=True)
class Manifest:
    """The content of ``model.toml``."""

    name: str
    version: str
    """Three numbers with dots between them."""
    title: str
    manufacturer: str
    family: Code
    """Algorithm family (CID 7162)."""
    runtime: str
    """Name of the runtime (`ainode_models.runtime`)."""
    intended_use: str
    disclaimer: str
    limits: str
    licence: str
    training: Training
    weights: tuple[WeightsFile, ...]
    inputs: tuple[ModelInput, ...]
    """In the order of the channels."""
    orientation: str
    """Axes of the array that the network gets: ``LPS``, which `ainode_models.orientation` defines; empty for images."""
    labels: tuple[Label, ...]
    """In the order of their values; empty for a classifier."""
    classes: tuple[ClassLabel, ...]
    """In the order of their numbers; empty for a model that segments."""
    settings: Table
    """The table that is named like the runtime, for the runtime to read."""
    profiles: Mapping[str, Profile]
    """Ways to run the weights, by name; ``exact`` is always among them."""
    sample: Sample | None = None
    """What the package can be checked with; None when it brings nothing."""

    @classmethod
    def read(cls, file: Path) -> "Manifest":
        """Read ``model.toml``.

        Raises `PackageError` that names the file, the key and what to change.
        """
        root = Table.read(file)
        if root.entries.get("schema") != SCHEMA:
            raise root.fault("schema", f"must be {SCHEMA}; this release reads no other")
        if "runtime" not in root.entries:
            raise root.fault("runtime", 'missing; add it, for example runtime = "nnunet"')
        runtime = root.text("runtime", r"[a-z][a-z0-9_-]*", meaning="the name of a runtime, for example nnunet")
        is_classifier = "class" in root.entries
        answers = ("class",) if is_classifier else ("geometry", "label")
        tables = ("family", "training", "weights", "input", *answers, runtime)
        root.expect(
            ("schema", "name", "version", "runtime", *_TEXTS, *tables),
            ("sample", *(("profile",) if runtime in _PROFILED else ())),
        )
        inputs = _inputs(root)
        return cls(
            name=root.text("name", r"[a-z0-9][a-z0-9-]*", meaning="lower-case letters, digits and hyphens"),
            version=root.text("version", r"\d+\.\d+\.\d+", meaning="three numbers, for example 1.0.0"),
            family=code_of(root.table("family")),
            runtime=runtime,
            training=Training.of(root.table("training")),
            weights=tuple(WeightsFile.of(table) for table in root.tables("weights")),
            inputs=inputs,
            orientation="" if is_classifier else _orientation(root.table("geometry")),
            labels=() if is_classifier else labels_of(root),
            classes=classes_of(root) if is_classifier else (),
            settings=root.table(runtime),
            profiles=profiles_of(root),
            sample=_sample(root, inputs),
            **{key: root.text(key) for key in _TEXTS},
        )

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, to be compared."""
        return tuple(int(part) for part in self.version.split("."))


def _orientation(geometry: Table) -> str:
    return geometry.expect(("orientation",)).text("orientation", "LPS", meaning="LPS")


def _inputs(root: Table) -> tuple[ModelInput, ...]:
    inputs = tuple(ModelInput.of(table) for table in root.tables("input"))
    if len({each.name for each in inputs}) < len(inputs):
        raise root.fault("input", "two inputs have the same name; rules could not tell them apart")
    return inputs


def _sample(root: Table, inputs: tuple[ModelInput, ...]) -> Sample | None:
    names = tuple(each.name for each in inputs)
    return Sample.of(root.table("sample"), names) if "sample" in root.entries else None


def _count(table: Table, key: str) -> int | None:
    return table.scalar(key, int) if key in table.entries else None
