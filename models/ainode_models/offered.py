"""What runs packages, by name: ours, and what third parties offer as entry points."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar, runtime_checkable

from ainode_models.errors import RuntimeUnavailable
from ainode_models.package import ModelPackage


class Offered(Protocol):
    """What every runtime and classifier can be asked before it is loaded."""

    def is_available(self) -> str | None:
        """None when it can be used, else the reason and what to install."""


@runtime_checkable
class Counted(Protocol):
    """A runtime or classifier that knows how large its networks are."""

    def parameters(self) -> int:
        """Parameters of all networks that are loaded, as their framework counts them.

        Raises `RuntimeUnavailable` while none is.
        """


Kind = TypeVar("Kind", bound=Offered)


def by_name(ours: Mapping[str, Callable[[], Kind]], group: str) -> Mapping[str, Callable[[], Kind]]:
    """``ours``, then what the entry-point ``group`` offers; no third party can replace one by taking its name."""
    known = dict(ours)
    for point in entry_points(group=group):
        if point.name not in known:
            offered: Any = point.load()
            known[point.name] = offered
    return known


def one_for(package: ModelPackage, known: Mapping[str, Callable[[], Kind]], *, kind: str, group: str) -> Kind:
    """The one that ``package`` names, not loaded yet; ``kind`` is what messages call it.

    Raises `RuntimeUnavailable` with the reason, or with the names that are known.
    """
    name = package.manifest.runtime
    if name not in known:
        raise RuntimeUnavailable(
            f"{package.folder}: needs the {kind} {name!r}; there are: {', '.join(known)}. "
            f"Install the distribution that offers it as an entry point of {group!r}"
        )
    found = known[name]()
    reason = found.is_available()
    if reason:
        raise RuntimeUnavailable(f"{package.folder}: the {kind} {name!r} cannot be used: {reason}")
    return found
