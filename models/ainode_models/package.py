"""A model package: a folder with ``model.toml`` and weights."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from ainode_models.errors import PackageError
from ainode_models.findings import Algorithm
from ainode_models.manifest import Manifest, WeightsFile
from ainode_models.profile import EXACT, Profile
from ainode_models.uids import derived_uid

MANIFEST = "model.toml"
CARD = "README.md"
_LONGEST_CARD = 200_000
"""Bytes of a card that goes along with every report."""


@dataclass(frozen=True)
class ModelPackage:
    """One version of one model, run in one of its profiles."""

    folder: Path
    manifest: Manifest
    profile: Profile = field(default_factory=Profile)

    @classmethod
    def open(cls, folder: Path) -> "ModelPackage":
        """Read the manifest; the weights are looked at by `verify`. Raises `PackageError`."""
        manifest = Manifest.read(folder / MANIFEST)
        return cls(folder, manifest, manifest.profiles[EXACT])

    def by(self, profile: str) -> "ModelPackage":
        """The same in another profile; raises `PackageError` for one that it does not have."""
        known = self.manifest.profiles
        if profile not in known:
            raise PackageError(f"{self.folder}: has no profile {profile!r}; there are: {', '.join(known)}")
        return replace(self, profile=known[profile])

    @property
    def version(self) -> str:
        """The version of the weights; with ``+`` and the name of the profile unless that is ``exact``."""
        return self.manifest.version + ("" if self.profile.name == EXACT else f"+{self.profile.name}")

    @property
    def reference(self) -> str:
        """``name@version``, or ``name@version+profile``."""
        return f"{self.manifest.name}@{self.version}"

    @property
    def weights_sha256(self) -> str:
        """SHA-256 over path and SHA-256 of every weights file, in the order of the paths."""
        lines = sorted(f"{weights.path} {weights.sha256}\n" for weights in self.manifest.weights)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def card(self) -> str | None:
        """The model card, in Markdown; None where the package has none that can be read, or a very long one."""
        try:
            content = (self.folder / CARD).read_bytes()
            return content.decode() or None if len(content) <= _LONGEST_CARD else None
        except (OSError, UnicodeDecodeError):
            return None

    def verify(self) -> None:
        """Compare every weights file with its SHA-256.

        Raises `PackageError` with the expected and the actual sum for the first file that differs.
        """
        for weights in self.manifest.weights:
            self._verify(weights)

    def algorithm(self, parameters: int | None = None) -> Algorithm:
        """Who made the result: the same device UID for the same name, version, profile and weights.

        ``parameters`` is what its runtime counted.
        """
        manifest = self.manifest
        weights = self.weights_sha256
        return Algorithm(
            name=manifest.name,
            version=self.version,
            manufacturer=manifest.manufacturer,
            family=manifest.family,
            device_uid=derived_uid("device", manifest.name, self.version, weights),
            weights_sha256=weights,
            intended_use=manifest.intended_use,
            disclaimer=manifest.disclaimer,
            parameters=parameters,
        )

    def _verify(self, weights: WeightsFile) -> None:
        path = self.folder / weights.path
        try:
            actual = sha256_of(path)
        except OSError as exc:
            raise PackageError(
                f"{path}: cannot be read ({exc.strerror}); {self.folder / MANIFEST} lists it as weights"
            ) from exc
        if actual != weights.sha256:
            raise PackageError(
                f"{path}: SHA-256 is {actual}, but {self.folder / MANIFEST} expects {weights.sha256}; "
                "install the package again, or correct the sum if you trained it anew"
            )


def sha256_of(file: Path) -> str:
    """In hexadecimal digits; raises ``OSError``."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
