"""What the node is told to do: settings, model packages, rules."""

from collections.abc import Iterator

from ainode.doctor.finding import Finding, failed, ok, warning
from ainode.route.site import site_rules
from ainode.settings import Settings
from ainode_models.errors import AinodeError
from ainode_models.registry import Registry


def check_contents(settings: Settings) -> Iterator[Finding]:
    """Model packages that can be read, and rules that name what there is."""
    registry = Registry(settings.models.folder)
    good, bad = registry.survey()
    for error in bad:
        yield failed("model package", str(error), "mend or remove it; ainode models check says more")
    if good:
        yield ok("model packages", ", ".join(f"{each.manifest.name}@{each.manifest.version}" for each in good))
    elif not bad:
        yield warning("model packages", f"{registry.folder} holds none", "set [models] folder, or put one there")
    try:
        rules = site_rules(settings, registry)
    except AinodeError as error:
        yield failed("rules", str(error), "mend the rules file; the node reads it anew for every study")
    else:
        shown = f"{settings.rules.file}: {len(rules)} valid"
        yield ok("rules", shown) if rules else warning("rules", shown, "without a rule no study is analysed")
