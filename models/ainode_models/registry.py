"""The model packages of a folder, by name and version, and what becomes of the versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ainode_models.durable import locked
from ainode_models.errors import PackageError
from ainode_models.inventory import Inventory
from ainode_models.package import MANIFEST, ModelPackage
from ainode_models.version_states import VersionStates

_LOCK = ".versions.lock"


@dataclass(frozen=True)
class Registry:
    """Packages are the sub-folders of ``folder`` that hold a ``model.toml``; read anew by every call.

    Folders whose names begin with a dot are not looked at: packages are made there before they are moved in. Any number
    of processes may read, activate and retire at once.
    """

    folder: Path

    def inventory(self) -> Inventory:
        """Everything that is there now, for several questions at one moment.

        Raises `PackageError` when the states of the versions cannot be read.
        """
        states = VersionStates.read(self.folder)  # first: what it names was moved in before
        good, bad = self.survey()
        return Inventory(self.folder, good, bad, states)

    def survey(self) -> tuple[tuple[ModelPackage, ...], tuple[PackageError, ...]]:
        """The packages that can be read, by name and version, and what is wrong with the others."""
        good: list[ModelPackage] = []
        bad: list[PackageError] = []
        for file in sorted(self.folder.glob(f"*/{MANIFEST}")):
            if file.parent.name.startswith("."):
                continue
            try:
                good.append(ModelPackage.open(file.parent))
            except PackageError as exc:
                bad.append(exc)
        good.sort(key=lambda package: (package.manifest.name, package.manifest.release))
        return tuple(good), tuple(bad)

    def packages(self) -> tuple[ModelPackage, ...]:
        """The packages that can be read, by name and version."""
        return self.survey()[0]

    def current(self, reference: str) -> ModelPackage:
        """For new runs: the version of ``name`` that rules follow, or exactly ``name@version`` unless it is retired.

        Each may end with ``+profile``; see `ainode_models.profile`.

        Rules follow the version that was activated, or else the highest that is not retired. Raises `PackageError` when
        there is none, it cannot be read, or two folders claim to be it; never another version instead.
        """
        return self.inventory().current(reference)

    def get(self, reference: str) -> ModelPackage:
        """For runs that exist: exactly ``name@version``, retired or not; ``name`` alone as `current`.

        Raises `PackageError` when there is none, it cannot be read, or two folders claim to be it.
        """
        return self.inventory().get(reference)

    def card(self, reference: str) -> str | None:
        """The model card of ``name@version``, in Markdown; None where it has none, or is not there any more."""
        try:
            return self.get(reference).card
        except PackageError:
            return None

    def activate(self, reference: str) -> None:
        """Let rules that name no version follow ``name@version``, which is no longer retired if it was."""
        with self._changing() as inventory:
            manifest = _exactly(inventory, reference).manifest
            inventory.states.with_active(manifest.name, manifest.version).write(self.folder)

    def hold(self, name: str) -> None:
        """Let rules that name no version stay with the one they follow now, whatever is added."""
        with self._changing() as inventory:
            followed = [package for package in inventory.good if inventory.state_of(package) == "active"]
            for manifest in (package.manifest for package in followed if package.manifest.name == name):
                inventory.states.with_active(name, manifest.version).write(self.folder)

    def retire(self, reference: str) -> None:
        """Let ``name@version`` make no new runs; runs that were queued for it still find it.

        Raises `PackageError` for the version that rules follow while others could take its place: which, is for people
        to say.
        """
        with self._changing() as inventory:
            package = _exactly(inventory, reference)
            others = [
                other.reference
                for other in inventory.good
                if other.manifest.name == package.manifest.name
                and other.reference not in (*inventory.states.retired, package.reference)
            ]
            if others and inventory.state_of(package) == "active":
                raise PackageError(
                    f"{reference} is active: rules that name no version follow it; first activate another, "
                    f"of {', '.join(others)}"
                )
            manifest = package.manifest
            inventory.states.with_retired(manifest.name, manifest.version).write(self.folder)

    @contextmanager
    def _changing(self) -> Iterator[Inventory]:
        try:
            with locked(self.folder / _LOCK):
                yield self.inventory()
        except OSError as exc:
            raise PackageError(f"{self.folder}: cannot be written ({exc.strerror}); who runs this must own it") from exc


def _exactly(inventory: Inventory, reference: str) -> ModelPackage:
    if "@" not in reference:
        raise PackageError(f"{reference!r} names no version; write NAME@VERSION, for example {reference}@1.0.0")
    return inventory.get(reference)
