"""Packages into the models folder: checked first, and there as a whole or not at all."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ainode_models.durable import locked, sync, sync_tree
from ainode_models.errors import ModelError, PackageError
from ainode_models.package import ModelPackage
from ainode_models.package_source import LARGEST, Bounds, copy_package
from ainode_models.registry import Registry

_INCOMING = ".incoming-"
_LOCK = ".add.lock"


@dataclass(frozen=True)
class Installed:
    """What became of a package."""

    package: ModelPackage
    is_new: bool
    """False when the same package was there before."""


@dataclass(frozen=True)
class Installer:
    """Puts packages into the folder of a registry; one at a time, whatever process."""

    registry: Registry
    check: Callable[[Path], object]
    """Checks the package in a folder; raises `PackageError`."""
    bounds: Bounds = LARGEST

    def add(self, source: Path) -> Installed:
        """Install the package of a folder or zip.

        Rules that name no version stay with the one that they follow. Raises `PackageError`, and then nothing has
        changed: for a fault of the package, and when its name and version are there with other content.
        """
        return self.build(lambda folder: copy_package(source, folder, self.bounds), source)

    def build(self, make: Callable[[Path], None], source: Path) -> Installed:
        """As `add`, of what ``make`` writes from ``source`` to the folder that it is given, which is not there yet."""
        with self._incoming() as folder:
            try:
                make(folder)
                return self._install(folder)
            except ModelError as exc:  # the folder is gone when people read of it
                raise type(exc)(str(exc).replace(str(folder), str(source))) from exc

    def _install(self, folder: Path) -> Installed:
        package = ModelPackage.open(folder)
        if before := self._same_version(package):
            return Installed(before, is_new=False)
        self.check(folder)
        sync_tree(folder)
        self.registry.hold(package.manifest.name)
        target = self._free_name(package)
        folder.rename(target)
        sync(self.registry.folder)
        return Installed(ModelPackage.open(target), is_new=True)

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        """A name for a folder that the registry does not look at; what an ended process left is removed."""
        models = self.registry.folder
        try:
            models.mkdir(parents=True, exist_ok=True)
            with locked(models / _LOCK):
                for left in models.glob(f"{_INCOMING}*"):
                    shutil.rmtree(left)
                with tempfile.TemporaryDirectory(dir=models, prefix=_INCOMING) as temporary:
                    yield Path(temporary) / "package"
        except OSError as exc:
            raise PackageError(f"{models}: cannot be written: {exc.strerror} ({exc.filename})") from exc

    def _same_version(self, package: ModelPackage) -> ModelPackage | None:
        """The package of this name and version that is there; raises `PackageError` when it is another."""
        for other in self.registry.packages():
            if other.reference == package.reference:
                if _content(other.folder) == _content(package.folder):
                    return other
                raise PackageError(
                    f"{package.reference} is in {other.folder} already, with other content; "
                    "results name their version, so give this one a new version in model.toml"
                )
        return None

    def _free_name(self, package: ModelPackage) -> Path:
        target = self.registry.folder / f"{package.manifest.name}-{package.manifest.version}"
        if target.exists():
            raise PackageError(f"{target}: is there already, but is not {package.reference}; move it away")
        return target


def _content(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below ``folder``, by its path."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                sums[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums
