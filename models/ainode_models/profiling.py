"""Measures a profile of a package and writes it into ``model.toml``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ainode_models.channels import in_channel_order
from ainode_models.dice import dice
from ainode_models.errors import PackageError
from ainode_models.manifest import WeightsFile
from ainode_models.nnunet.members import members_of
from ainode_models.nnunet.quantisation import Image, quantise
from ainode_models.orientation import to_canonical
from ainode_models.package import MANIFEST, ModelPackage, sha256_of
from ainode_models.profile import Profile
from ainode_models.runtime import runtime_for
from ainode_models.sample_files import sample_volumes
from ainode_models.toml_text import toml_text
from ainode_models.volume import Volume

Case = Mapping[str, Volume]
"""By the name of the model's input."""

OFFERED: Mapping[str, Profile] = MappingProxyType(
    {
        "exact": Profile("exact", "bf16"),
        "fast": Profile("fast", "bf16", mirroring=False, step_size=0.75),
        "int8": Profile("int8", "int8"),
    }
)
LEAST_DICE: Mapping[str, float] = MappingProxyType({"exact": 0.998, "int8": 0.99})
"""Of each label; a profile that gives less is refused. The fast one only says how much it gives."""
MOST_VOLUME_ERROR: Mapping[str, float] = MappingProxyType({"exact": 0.005})
"""Of each label, as a fraction of its volume."""


@dataclass(frozen=True)
class Measured:
    """What was seen of a profile."""

    profile: Profile
    volume_error: Mapping[str, float]
    """By the name of the label: difference of all its voxels, as a fraction of those of the network as trained."""


def add_profile(folder: Path, name: str, cases: Sequence[Case]) -> Measured:
    """Measure a profile of `OFFERED` on ``cases`` and the package's own sample, and write it into ``model.toml``.

    Raises `PackageError` for a package that has it already, for labels that occur in no case, and for what is too far
    from the network as trained; the package then is as before.
    """
    package = ModelPackage.open(folder)
    if package.manifest.profiles.get(name, Profile()) != Profile():
        raise PackageError(
            f"{folder / MANIFEST}: has a profile {name} already; remove [profile.{name}] to measure it anew"
        )
    if package.manifest.runtime != "nnunet":
        raise PackageError(f"{folder / MANIFEST}: runtime: {package.manifest.runtime} has no profiles; only nnunet has")
    sample = package.manifest.sample
    every = [*([sample_volumes(package, sample)] if sample else []), *cases]
    if not every:
        raise PackageError(f"{folder}: brings no sample; give cases to measure on")
    if OFFERED[name].precision != "int8":
        return _added(package, (), name, every)
    made = _quantised(package, every[::2])
    try:
        return _added(package, made, name, every[1::2] or every)  # not on those that the ranges were taken from
    except PackageError:
        for each in made:
            (package.folder / each.path).unlink()
        raise


def _added(package: ModelPackage, made: Sequence[WeightsFile], name: str, cases: Sequence[Case]) -> Measured:
    with_made = replace(package.manifest, weights=(*package.manifest.weights, *made))
    measured = _measured(replace(package, manifest=with_made), OFFERED[name], cases)
    _refuse(measured, package.folder)
    _write(package, measured.profile, made)
    return measured


def _quantised(package: ModelPackage, cases: Sequence[Case]) -> tuple[WeightsFile, ...]:
    images = [_image(package, case) for case in cases]
    files = [file for member in members_of(package) for file in quantise(member, images)]
    return tuple(WeightsFile(PurePosixPath(file.relative_to(package.folder)), sha256_of(file)) for file in files)


def _image(package: ModelPackage, case: Case) -> Image:
    channels = [to_canonical(volume)[0] for volume in in_channel_order(package.manifest, case)]
    return np.stack([each.array.astype(np.float32) for each in channels]), list(channels[0].spacing)


def _measured(package: ModelPackage, profile: Profile, cases: Sequence[Case]) -> Measured:
    as_trained = _answers(replace(package, profile=Profile()), cases)
    answers = _answers(replace(package, profile=profile), cases)
    scores, volume_error = {}, {}
    for label in package.manifest.labels:
        first, second = as_trained == label.value, answers == label.value
        if not first.any():
            raise PackageError(f"{label.name} is found in none of the {len(cases)} cases; give some that have it")
        whole, other = int(np.count_nonzero(first)), int(np.count_nonzero(second))
        scores[label.name] = round(dice(first, second), 5)
        volume_error[label.name] = round(abs(other - whole) / whole, 5)
    return Measured(replace(profile, cases=len(cases), dice=MappingProxyType(scores)), MappingProxyType(volume_error))


def _answers(package: ModelPackage, cases: Sequence[Case]) -> NDArray[np.uint8]:
    """The labels of all voxels of all cases, one after the other."""
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    labels = [runtime.predict(case).label_map.ravel() for case in cases]
    runtime.unload()
    return np.concatenate(labels)


def _refuse(measured: Measured, folder: Path) -> None:
    name, scores = measured.profile.name, measured.profile.dice
    worst = min(scores, key=lambda label: scores[label])
    if scores[worst] < LEAST_DICE.get(name, 0):
        raise PackageError(
            f"{folder}: the profile {name} gives {worst} a Dice of {scores[worst]:.4f} against the network as trained; "
            f"at least {LEAST_DICE[name]} is asked, so the package does not get it"
        )
    error = measured.volume_error
    worst = max(error, key=lambda label: error[label])
    if error[worst] > MOST_VOLUME_ERROR.get(name, float("inf")):
        raise PackageError(
            f"{folder}: the profile {name} changes the volume of {worst} by {error[worst]:.2%}; at most "
            f"{MOST_VOLUME_ERROR[name]:.1%} is allowed, so the package does not get it"
        )


def _write(package: ModelPackage, profile: Profile, made: Sequence[WeightsFile]) -> None:
    weights = [{"path": str(each.path), "sha256": each.sha256} for each in made]
    ways = {"precision": profile.precision, "mirroring": profile.mirroring, "step_size": profile.step_size}
    said = {key: value for key, value in ways.items() if value is not None}
    table = {**said, "cases": profile.cases, "dice": dict(profile.dice)}
    added = toml_text({**({"weights": weights} if weights else {}), f"profile.{profile.name}": table})
    with (package.folder / MANIFEST).open("a", encoding="utf-8") as manifest:
        manifest.write(added)
