"""What nnU-Net's plans say of one network: how images are prepared for it, cut, and put back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ainode_models.errors import PackageError
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.nnunet.resampling import Interpolation

_PREPROCESSOR = "DefaultPreprocessor"
_SCHEMES = (
    "CTNormalization",
    "NoNormalization",
    "RGBTo01Normalization",
    "RescaleTo01Normalization",
    "ZScoreNormalization",
)


@dataclass(frozen=True)
class Normalisation:
    """How one channel is normalised."""

    scheme: str
    """nnU-Net's class, of ``nnunetv2.preprocessing.normalization``."""
    use_mask: bool
    """Whether only what is not zero counts, and is changed."""
    properties: Mapping[str, float]
    """Of the intensities of the foreground, in the training data."""


@dataclass(frozen=True)
class Configuration:
    """A configuration of the plans, such as ``3d_fullres``. Axes are those of the network: after ``transpose``."""

    name: str
    transpose: tuple[int, ...]
    """For each axis of the network, the one of the image (slices, rows, columns) that becomes it."""
    spacing: tuple[float, ...]
    """Of what the network sees, in millimetres; two numbers for a 2-D network, whose first axis stays as it is."""
    patch: tuple[int, ...]
    """Voxels of a window; two numbers for a 2-D network."""
    normalisations: tuple[Normalisation, ...]
    data: Interpolation
    """Of the image to ``spacing``."""
    logits: Interpolation
    """Of the answer back."""
    previous: str | None
    """Name of the configuration before it in a cascade."""
    architecture: Mapping[str, Any]
    """nnU-Net's words for the network."""

    @classmethod
    def of(cls, folder: NnunetFolder, name: str) -> "Configuration":
        """Read it from ``plans.json``; raises `PackageError` for what only another preprocessor can do."""
        plans = folder.document("plans.json")
        try:
            own = _resolved(plans["configurations"], name)
            preprocessor = str(own.get("preprocessor_name", _PREPROCESSOR))
            if preprocessor != _PREPROCESSOR:
                raise PackageError(
                    f"{folder.path / 'plans.json'}: {name}: preprocessor_name: {preprocessor!r} is not known; "
                    f"only networks trained with {_PREPROCESSOR} can be run"
                )
            return cls(
                name=name,
                transpose=tuple(plans["transpose_forward"]),
                spacing=tuple(map(float, own["spacing"])),
                patch=tuple(map(int, own["patch_size"])),
                normalisations=_normalisations(plans, own),
                data=Interpolation.of(own["resampling_fn_data"], own["resampling_fn_data_kwargs"]),
                logits=Interpolation.of(own["resampling_fn_probabilities"], own["resampling_fn_probabilities_kwargs"]),
                previous=own.get("previous_stage"),
                architecture=own.get("architecture", {}),
            )
        except (KeyError, TypeError, ValueError, IndexError) as exc:
            raise PackageError(
                f"{folder.path / 'plans.json'}: {name}: does not say what nnU-Net v2 writes ({exc!r}); copy it again"
            ) from exc


def _resolved(configurations: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits."""
    own = dict(configurations[name])
    parent = own.pop("inherits_from", None)
    return {**_resolved(configurations, parent), **own} if parent else own


def _normalisations(plans: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[Normalisation, ...]:
    properties = plans.get("foreground_intensity_properties_per_channel", {})
    schemes = [str(scheme) for scheme in own["normalization_schemes"]]
    for scheme in schemes:
        if scheme not in _SCHEMES:
            raise PackageError(f"plans.json: normalization_schemes: {scheme!r} is not one of {', '.join(_SCHEMES)}")
    return tuple(
        Normalisation(scheme, bool(masked), properties.get(str(channel), {}))
        for channel, (scheme, masked) in enumerate(zip(schemes, own["use_mask_for_norm"], strict=True))
    )
