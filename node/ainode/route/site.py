"""The rules of this site: its rules file, checked against its destinations and its model packages."""

from collections.abc import Iterable

from ainode.route.rule import Rule
from ainode.route.rules import load_rules
from ainode.settings import Settings
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry


def site_rules(settings: Settings, registry: Registry) -> tuple[Rule, ...]:
    """Every rule of the rules file, checked against everything that it names.

    Raises ``RulesError`` on a destination or model that is not there, ``PackageError`` on a model that cannot be used.
    """
    destinations = {destination.name: destination.kind for destination in settings.destination}
    packages, faulty = registry.survey()
    if faulty:
        _open_models(load_rules(settings.rules.file, destinations=destinations), registry)
    return load_rules(settings.rules.file, destinations=destinations, models=model_inputs(packages))


def model_inputs(packages: Iterable[ModelPackage]) -> dict[str, tuple[str, ...]]:
    """Input names of each model, by ``name@version``, and by ``name`` for the last, which is the highest version."""
    known: dict[str, tuple[str, ...]] = {}
    for package in packages:
        inputs = tuple(entry.name for entry in package.manifest.inputs)
        known[package.manifest.name] = known[f"{package.manifest.name}@{package.manifest.version}"] = inputs
    return known


def _open_models(rules: tuple[Rule, ...], registry: Registry) -> None:
    """Raise the ``PackageError`` that tells what is wrong with a package; the rules could say only that it lacks."""
    for rule in rules:
        registry.get(f"{rule.model}@{rule.version}" if rule.version else rule.model)
