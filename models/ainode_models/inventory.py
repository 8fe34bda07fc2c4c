"""The packages and the states of a models folder at one moment."""

from dataclasses import dataclass
from pathlib import Path

from ainode_models.errors import PackageError
from ainode_models.package import ModelPackage
from ainode_models.profile import EXACT
from ainode_models.version_states import VersionStates


@dataclass(frozen=True)
class Inventory:
    """What `ainode_models.registry.Registry` found; its two questions are answered from here."""

    folder: Path
    good: tuple[ModelPackage, ...]
    """By name and version."""
    bad: tuple[PackageError, ...]
    """What is wrong with those that cannot be read."""
    states: VersionStates

    def holds(self, reference: str) -> bool:
        """Whether a package that can be read goes by ``name`` or ``name@version``, in whatever state."""
        return bool(self._found(reference.partition("+")[0]))

    def get(self, reference: str) -> ModelPackage:
        """See `ainode_models.registry.Registry.get`."""
        if "@" not in reference:
            return self.current(reference)
        bare, profile = _parted(reference)
        return self._only(bare).by(profile)

    def current(self, reference: str) -> ModelPackage:
        """See `ainode_models.registry.Registry.current`."""
        bare, profile = _parted(reference)
        if "@" not in bare:
            return self._followed(bare).by(profile)
        package = self._only(bare)
        if package.reference in self.states.retired:
            raise PackageError(
                f"{bare} is retired and makes no new runs; name another version, "
                f"or bring it back with: ainode models activate {bare}"
            )
        return package.by(profile)

    def state_of(self, package: ModelPackage) -> str:
        """``active``, ``retired``, or empty for a version that only rules which name it use."""
        if package.reference in self.states.retired:
            return "retired"
        try:
            followed = self._followed(package.manifest.name)
        except PackageError:
            return ""
        return "active" if followed.reference == package.reference else ""

    def _followed(self, name: str) -> ModelPackage:
        if version := self.states.active.get(name):
            try:
                return self._only(f"{name}@{version}")
            except PackageError as exc:
                raise PackageError(f"the active version of {name} cannot be used: {exc}; or activate another") from exc
        usable = [package for package in self._found(name) if package.reference not in self.states.retired]
        if not usable and self.holds(name):
            raise PackageError(f"{name}: every version is retired; activate one: ainode models activate {name}@VERSION")
        return self._only(usable[-1].reference if usable else name)

    def _only(self, reference: str) -> ModelPackage:
        found = self._found(reference)
        if not found:
            known = ", ".join(package.reference for package in self.good) or "none"
            faulty = "".join(f"; not readable: {error}" for error in self.bad)
            raise PackageError(f"{reference}: no such model package in {self.folder}; there are: {known}{faulty}")
        if len(found) > 1:
            folders = ", ".join(str(package.folder) for package in found)
            raise PackageError(f"{reference}: more than one folder holds it: {folders}; remove all but one")
        return found[0]

    def _found(self, reference: str) -> tuple[ModelPackage, ...]:
        return tuple(package for package in self.good if reference in (package.manifest.name, package.reference))


def _parted(reference: str) -> tuple[str, str]:
    """``name`` or ``name@version``, and the name of the profile."""
    bare, plus, profile = reference.partition("+")
    return bare, profile if plus else EXACT
