"""The rules of this site: its rules file, checked against its destinations and its model packages."""

from collections.abc import Mapping
from dataclasses import dataclass

from ainode.route.model_fit import Intake, Misfit
from ainode.route.rule import Rule
from ainode.route.rules import load_rules
from ainode.settings import Settings
from ainode_models.errors import PackageError
from ainode_models.inventory import Inventory
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry


@dataclass(frozen=True)
class SiteRules:
    """Every rule, and the package that each would use now."""

    rules: tuple[Rule, ...]
    """In the order of the file."""
    packages: Mapping[str, ModelPackage]
    """By the name of the rule; the rules that are held up lack."""
    held_up: Mapping[str, PackageError]
    """By the name of the rule: what is wrong with its package. It holds up no other rule."""


def survey_rules(settings: Settings, registry: Registry) -> SiteRules:
    """Every rule of the rules file, checked against everything that it names.

    Raises ``RulesError`` on a destination or model that is not there, ``PackageError`` when nothing can be known of the
    models folder.
    """
    destinations = {destination.name: destination.kind for destination in settings.destination}
    inventory = registry.inventory()
    packages: dict[str, ModelPackage] = {}
    held_up: dict[str, PackageError] = {}
    known = _installed(inventory)
    for rule in load_rules(settings.rules.file, destinations=destinations):
        try:
            packages[rule.name] = _package_for(rule, inventory)
        except PackageError as error:
            if not inventory.bad and not inventory.holds(rule.reference):
                continue  # nobody ever installed it: `load_rules` says so, with the line
            held_up[rule.name] = error
            known[rule.reference] = Intake(dict.fromkeys(_wanted(rule), ""))
        else:
            known[rule.reference] = Intake.of(packages[rule.name])
    return SiteRules(load_rules(settings.rules.file, destinations=destinations, models=known), packages, held_up)


def site_rules(settings: Settings, registry: Registry) -> tuple[Rule, ...]:
    """Every rule, for those who ask whether all is well: raises as `survey_rules`, and for a rule that is held up."""
    site = survey_rules(settings, registry)
    for name, error in site.held_up.items():
        raise PackageError(f"rule {name!r} is held up: {error}") from error
    return site.rules


def _package_for(rule: Rule, inventory: Inventory) -> ModelPackage:
    """The package for new runs of a rule; raises ``PackageError``, also where only another version fits the rule.

    An activation is no mistake of the rules file: it must not hold up other rules.
    """
    package = inventory.current(rule.reference)
    misfit = Intake.of(package).misfit(rule) if rule.version is None else None
    if misfit:
        for other in inventory.good:
            if other.manifest.name == rule.model and not Intake.of(other).misfit(rule):
                raise PackageError(
                    f"{package.reference}, which it follows, {_difference(package, rule, misfit)}; the rule fits "
                    f"{other.reference}: change the rule, or activate that version"
                )
    return package


def _difference(package: ModelPackage, rule: Rule, misfit: Misfit) -> str:
    if set(_inputs(package)) != set(_wanted(rule)):
        return f"has the inputs {', '.join(_inputs(package))}"
    return f"does not take what it gives: {'.'.join(map(str, misfit.key))}: {misfit.message}"


def _installed(inventory: Inventory) -> dict[str, Intake]:
    """What each model takes, by ``name@version``, and by ``name`` for the highest version."""
    known: dict[str, Intake] = {}
    for package in inventory.good:
        known[package.manifest.name] = known[package.reference] = Intake.of(package)
    return known


def _inputs(package: ModelPackage) -> tuple[str, ...]:
    return tuple(entry.name for entry in package.manifest.inputs)


def _wanted(rule: Rule) -> tuple[str, ...]:
    return tuple(entry.name for entry in rule.inputs)
