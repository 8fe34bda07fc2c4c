"""The model packages of a folder, by name and version."""

from dataclasses import dataclass
from pathlib import Path

from ainode_models.errors import PackageError
from ainode_models.package import MANIFEST, ModelPackage


@dataclass(frozen=True)
class Registry:
    """Packages are the sub-folders of ``folder`` that hold a ``model.toml``; read anew by every call."""

    folder: Path

    def survey(self) -> tuple[tuple[ModelPackage, ...], tuple[PackageError, ...]]:
        """The packages that can be read, by name and version, and what is wrong with the others."""
        good: list[ModelPackage] = []
        bad: list[PackageError] = []
        for file in sorted(self.folder.glob(f"*/{MANIFEST}")):
            try:
                good.append(ModelPackage.open(file.parent))
            except PackageError as exc:
                bad.append(exc)
        good.sort(key=lambda package: (package.manifest.name, package.manifest.release))
        return tuple(good), tuple(bad)

    def packages(self) -> tuple[ModelPackage, ...]:
        """The packages that can be read, by name and version."""
        return self.survey()[0]

    def get(self, reference: str) -> ModelPackage:
        """The package ``name`` (its highest version) or ``name@version`` (exactly that one).

        Raises `PackageError` when there is none, two folders claim to be it, or the only candidates are faulty.
        """
        name, _, version = reference.partition("@")
        good, bad = self.survey()
        found = [p for p in good if p.manifest.name == name and version in ("", p.manifest.version)]
        if not found:
            raise PackageError(self._nothing(reference, good, bad))
        best = [p for p in found if p.manifest.release == found[-1].manifest.release]
        if len(best) > 1:
            folders = ", ".join(str(package.folder) for package in best)
            raise PackageError(f"{reference}: more than one folder holds it: {folders}; remove all but one")
        return best[0]

    def _nothing(self, reference: str, good: tuple[ModelPackage, ...], bad: tuple[PackageError, ...]) -> str:
        known = ", ".join(f"{p.manifest.name}@{p.manifest.version}" for p in good) or "none"
        faulty = "".join(f"; not readable: {error}" for error in bad)
        return f"{reference}: no such model package in {self.folder}; there are: {known}{faulty}"
