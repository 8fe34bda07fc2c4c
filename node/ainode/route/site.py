"""The rules of this site: its rules file, checked against its destinations and its model packages."""

from collections.abc import Iterable

from ainode.route.rule import Rule
from ainode.route.rules import load_rules
from ainode.settings import Settings
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry


def site_rules(settings: Settings) -> tuple[Rule, ...]:
    """Every rule of the rules file; raises ``RulesError`` on one whose destination or model is not there."""
    return load_rules(
        settings.rules.file,
        destinations={destination.name: destination.kind for destination in settings.destination},
        models=model_inputs(Registry(settings.models.folder).packages()),
    )


def model_inputs(packages: Iterable[ModelPackage]) -> dict[str, tuple[str, ...]]:
    """Input names of each model, by ``name@version``, and by ``name`` for the last, which is the highest version."""
    known: dict[str, tuple[str, ...]] = {}
    for package in packages:
        inputs = tuple(entry.name for entry in package.manifest.inputs)
        known[package.manifest.name] = known[f"{package.manifest.name}@{package.manifest.version}"] = inputs
    return known
