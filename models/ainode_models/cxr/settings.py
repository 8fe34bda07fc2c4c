"""What ``[cxr]`` of ``model.toml`` says."""

from dataclasses import dataclass
from pathlib import Path

from ainode_models.package import ModelPackage
from ainode_models.table import Table

NAMES = ("resnet50", "densenet121", "efficientnet_b0")
"""The nets of `ainode_models.cxr.nets`."""


@dataclass(frozen=True)
class SeededBackbone:
    """Weights of convolutions that are drawn anew at every start instead of stored."""

    seed: int
    sha256: str
    """Over all of them, so that they cannot change unnoticed (`ainode_models.cxr.seeded`)."""

    @classmethod
    def of(cls, table: Table) -> "SeededBackbone":
        """Read ``backbone``; raises `PackageError`."""
        table.expect(("seed", "sha256"))
        sha256 = table.text("sha256", r"[0-9a-f]{64}", meaning="64 lower-case hexadecimal digits")
        seed = table.scalar("seed", int)
        if seed < 0:
            raise table.fault("seed", f"must be 0 or more, not {seed}")
        return cls(seed, sha256)


@dataclass(frozen=True)
class NetSettings:
    """One ``[[cxr.net]]``."""

    name: str
    """One of `NAMES`."""
    file: Path
    """A state dict as torchvision's net has it."""
    weight: float
    """Its say in the soft vote."""
    backbone: SeededBackbone | None
    """Where the file holds no weights of convolutions."""

    @classmethod
    def of(cls, table: Table, package: ModelPackage) -> "NetSettings":
        """Read one ``[[cxr.net]]``; raises `PackageError`."""
        table.expect(("name", "file"), ("weight", "backbone"))
        name, weight = table.text("name"), table.scalar("weight", float, default=1.0)
        if name not in NAMES:
            raise table.fault("name", f"{name!r} is not known; use one of: {', '.join(NAMES)}")
        if not 0 < weight < float("inf"):
            raise table.fault("weight", f"must be above 0, not {weight}; leave the net out instead")
        backbone = SeededBackbone.of(table.table("backbone")) if "backbone" in table.entries else None
        return cls(name, _listed(table, package), weight, backbone)


@dataclass(frozen=True)
class LimeSettings:
    """Where LIME ends: whichever comes first."""

    seconds: float = 20.0
    samples: int = 600

    @classmethod
    def of(cls, table: Table) -> "LimeSettings":
        """Read ``lime``; raises `PackageError`."""
        table.expect((), ("seconds", "samples"))
        seconds = table.scalar("seconds", float, default=cls.seconds)
        samples = table.scalar("samples", int, default=cls.samples)
        if not 0 < seconds <= 3600:
            raise table.fault("seconds", f"must be above 0 and at most 3600, not {seconds}")
        if not 10 <= samples <= 100_000:
            raise table.fault("samples", f"must be from 10 to 100000, not {samples}; fewer explain nothing")
        return cls(seconds, samples)


@dataclass(frozen=True)
class CxrSettings:
    """All of ``[cxr]``."""

    nets: tuple[NetSettings, ...]
    mask: Path | None
    """State dict of a `ainode_models.cxr.lung_net.LungNet`; None: the nets get the picture as it is."""
    lime: LimeSettings

    @classmethod
    def of(cls, package: ModelPackage) -> "CxrSettings":
        """Read ``[cxr]``; raises `PackageError` that names the key and what to change."""
        root = package.manifest.settings.expect(("net",), ("mask", "lime"))
        nets = tuple(NetSettings.of(table, package) for table in root.tables("net"))
        if len({net.name for net in nets}) < len(nets):
            raise root.fault("net", "a net stands twice; results name each by its name")
        mask = root.table("mask").expect(("file",)) if "mask" in root.entries else None
        lime = LimeSettings.of(root.table("lime")) if "lime" in root.entries else LimeSettings()
        if len(package.manifest.inputs) != 1:
            raise root.fault("net", f"takes one [[input]], but model.toml has {len(package.manifest.inputs)}")
        return cls(nets, _listed(mask, package) if mask else None, lime)


def _listed(table: Table, package: ModelPackage) -> Path:
    """``file``, which must be one of ``[[weights]]``: only those are verified."""
    file = table.text("file")
    listed = [str(weights.path) for weights in package.manifest.weights]
    if file not in listed:
        raise table.fault("file", f"{file!r} is not among [[weights]] ({', '.join(listed)}); add it with its sha256")
    return package.folder / file
