"""The table ``[keras]`` of ``model.toml``: the file of a network and what it was trained to see."""

from dataclasses import dataclass
from typing import Any

from ainode_models.keras.normalise import NORMALISATIONS
from ainode_models.keras.vocabulary import CUSTOM_LAYERS
from ainode_models.manifest import Manifest
from ainode_models.table import Table

Triple = tuple[float, float, float]

FITS = ("windows", "resize")
_OPTIONAL = ("spacing", "fit", "axes", "values", "custom_layers")
_OPPOSITE = {"L": "R", "R": "L", "P": "A", "A": "P", "S": "I", "I": "S"}


@dataclass(frozen=True)
class KerasSettings:
    """What the runtime needs beside the network; triples are in the order of the network's axes."""

    file: str
    """Relative to the package; ends with ``.keras`` or ``.h5``."""
    patch: tuple[int, int, int]
    """The fixed size of the network."""
    spacing: Triple | None
    """mm between the points that the network sees; None for the voxels of the study as they are."""
    normalise: str
    """A name of `ainode_models.keras.normalise.NORMALISATIONS`."""
    fit: str
    """``windows``: as many patches as the volume needs; ``resize``: the part that is not 0 as one patch."""
    axes: str
    """Where the array axes of the network run to, as ``LPS`` for nibabel's array of a BraTS file."""
    values: tuple[int, ...]
    """For each channel of the network's answer, the value in the label map; 0 is the background."""
    custom_layers: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> "KerasSettings":
        """Read the table; raises `PackageError` that names the key and what to change."""
        table = manifest.settings
        table.expect(("file", "layout", "patch", "normalise"), _OPTIONAL)
        table.text("layout", "channels_last", meaning='"channels_last"; convert the network otherwise')
        settings = cls(
            file=_file(table, manifest),
            patch=_patch(table),
            spacing=_spacing(table) if "spacing" in table.entries else None,
            normalise=_choice(table, "normalise", tuple(NORMALISATIONS)),
            fit=_choice(table, "fit", FITS) if "fit" in table.entries else FITS[0],
            axes=_axes(table) if "axes" in table.entries else "SPL",
            values=_values(table, manifest),
            custom_layers=_custom_layers(table),
        )
        if settings.spacing and settings.fit == "resize":
            raise table.fault("spacing", 'cannot be kept with fit = "resize"; remove one of the two')
        return settings


def _file(table: Table, manifest: Manifest) -> str:
    file = table.text("file", r".*\.(keras|h5)", meaning="a file that ends with .keras or .h5")
    if file not in [str(weights.path) for weights in manifest.weights]:
        raise table.fault("file", f"{file} is not listed in [[weights]]; add it with its sha256")
    return file


def _patch(table: Table) -> tuple[int, int, int]:
    return _three(table, "patch", [n for n in _list(table, "patch") if type(n) is int and n > 0], "whole numbers")


def _spacing(table: Table) -> Triple:
    numbers = [float(n) for n in _list(table, "spacing") if type(n) in (int, float) and 0 < n < float("inf")]
    return _three(table, "spacing", numbers, "numbers of mm")


def _three(table: Table, key: str, good: list[Any], meaning: str) -> tuple[Any, Any, Any]:
    if len(good) != 3 or len(_list(table, key)) != 3:
        raise table.fault(key, f"must be three {meaning} above 0, not {table.entries[key]!r}")
    first, second, third = good
    return first, second, third


def _list(table: Table, key: str) -> list[Any]:
    value = table.entries[key]
    if not isinstance(value, list):
        raise table.fault(key, f"must be a list, not {value!r}")
    return value


def _choice(table: Table, key: str, known: tuple[str, ...]) -> str:
    return table.text(key, "|".join(known), meaning="one of " + ", ".join(known))


def _axes(table: Table) -> str:
    axes = table.text("axes", r"[LRPASI]{3}", meaning="three of the letters L, R, P, A, S, I, such as LPS")
    if any(axes.count(letter) + axes.count(_OPPOSITE[letter]) != 1 for letter in axes):
        raise table.fault("axes", f"must name each direction of the body once, not {axes!r}")
    return axes


def _values(table: Table, manifest: Manifest) -> tuple[int, ...]:
    labels = [label.value for label in manifest.labels]
    if "values" not in table.entries:
        return (0, *labels)
    values = _list(table, "values")
    if values.count(0) != 1 or sorted(value for value in values if value) != labels:
        raise table.fault("values", f"must be 0 for the background and the values of [[label]], {labels}, each once")
    return tuple(values)


def _custom_layers(table: Table) -> tuple[str, ...]:
    names = _list(table, "custom_layers") if "custom_layers" in table.entries else []
    unknown = [str(name) for name in names if name not in CUSTOM_LAYERS]
    if unknown:
        raise table.fault("custom_layers", f"{', '.join(unknown)}: not known; there are: {', '.join(CUSTOM_LAYERS)}")
    return tuple(names)
