"""A model package: a folder with ``model.toml`` and weights."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ainode_models.errors import PackageError
from ainode_models.findings import Algorithm
from ainode_models.manifest import Manifest, WeightsFile
from ainode_models.uids import derived_uid

MANIFEST = "model.toml"
CARD = "README.md"
_LONGEST_CARD = 200_000
"""Bytes of a card that goes along with every report."""


@dataclass(frozen=True)
class ModelPackage:
    """One version of one model."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> "ModelPackage":
        """Read the manifest; the weights are looked at by `verify`. Raises `PackageError`."""
        return cls(folder, Manifest.read(folder / MANIFEST))

    @property
    def reference(self) -> str:
        """``name@version``."""
        return f"{self.manifest.name}@{self.manifest.version}"

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
        """Who made the result: the same device UID for the same name, version and weights.

        ``parameters`` is what its runtime counted.
        """
        manifest = self.manifest
        weights = self.weights_sha256
        return Algorithm(
            name=manifest.name,
            version=manifest.version,
            manufacturer=manifest.manufacturer,
            family=manifest.family,
            device_uid=derived_uid("device", manifest.name, manifest.version, weights),
            weights_sha256=weights,
            intended_use=manifest.intended_use,
            disclaimer=manifest.disclaimer,
            parameters=parameters,
        )

    def _verify(self, weights: WeightsFile) -> None:
        path = self.folder / weights.path
        try:
            with path.open("rb") as stream:
                actual = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as exc:
            raise PackageError(
                f"{path}: cannot be read ({exc.strerror}); {self.folder / MANIFEST} lists it as weights"
            ) from exc
        if actual != weights.sha256:
            raise PackageError(
                f"{path}: SHA-256 is {actual}, but {self.folder / MANIFEST} expects {weights.sha256}; "
                "install the package again, or correct the sum if you trained it anew"
            )
