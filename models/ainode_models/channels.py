"""The volumes of one study in the order in which a network takes them."""

from collections.abc import Mapping

from ainode_models.errors import SeriesMismatchError
from ainode_models.manifest import Manifest
from ainode_models.volume import Volume


def in_channel_order(manifest: Manifest, volumes: Mapping[str, Volume]) -> list[Volume]:
    """The volumes in the order of the manifest's inputs.

    Raises `SeriesMismatchError` when one is missing, or not on the grid of the first.
    """
    names = [each.name for each in manifest.inputs]
    missing = [name for name in names if name not in volumes]
    if missing:
        raise SeriesMismatchError(f"{manifest.name} needs {', '.join(names)}; missing: {', '.join(missing)}")
    first = volumes[names[0]]
    for name in names[1:]:
        if not first.same_grid(volumes[name]):
            raise SeriesMismatchError(f"{manifest.name}: {name} is not on the grid of {names[0]}; resample it before")
    return [volumes[name] for name in names]
