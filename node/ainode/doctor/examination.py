"""All checks, one after the other."""

from collections.abc import Callable, Iterator
from functools import partial

from ainode.doctor.access import check_access
from ainode.doctor.certificates import check_certificates
from ainode.doctor.contents import check_contents
from ainode.doctor.finding import Finding, failed
from ainode.doctor.others import check_archives, check_commitment, check_destinations
from ainode.doctor.ports import check_ports
from ainode.doctor.storage import check_storage
from ainode.settings import Settings
from ainode_models.errors import AinodeError


def examine(settings: Settings, clock: Callable[[], float]) -> Iterator[Finding]:
    """Every finding as soon as it is known; an error in one group of checks ends that group only."""
    groups: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("ports", check_ports),
        ("access", check_access),
        ("certificates", partial(check_certificates, now=clock())),
        ("storage", check_storage),
        ("models and rules", check_contents),
        ("archives", check_archives),
        ("destinations", check_destinations),
        ("storage commitment", check_commitment),
    )
    for name, check in groups:
        try:
            yield from check(settings)
        except (AinodeError, OSError) as exc:
            yield failed(name, str(exc), "mend it, then ask again")
