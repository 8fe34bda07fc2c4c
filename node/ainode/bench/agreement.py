"""How far one answer to a case is from another."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ainode.measurement import Row
from ainode.run.image_file import load_classification
from ainode.run.volume_file import load_prediction
from ainode_models.dice import dice
from ainode_models.package import ModelPackage


def agreement(package: ModelPackage, first: Path, second: Path, *, name: str, peer: str) -> list[Row]:
    """Rows that begin with ``name``, of answers as the model's process writes them; ``first`` is that of ``peer``.

    For segmentations the share of voxels with one label, and the least Dice of a label that either has; for
    classifications the largest difference of a probability, of the vote and of each net.
    """
    if package.manifest.classes:
        one, other = (load_classification(file) for file in (first, second))
        both = {name: (one.probabilities, other.probabilities)}
        both |= {f"{name}_{net}": (values, other.members[net]) for net, values in one.members.items()}
        return [_difference(said, *values, peer=peer) for said, values in both.items()]
    labels = [load_prediction(file).label_map for file in (first, second)]
    equal = float(np.mean(labels[0] == labels[1]))
    rows = [Row(metric=f"{name}_equal_voxels", value=round(equal, 6), unit="1", peer=peer)]
    found = [value for value in np.union1d(*labels) if value]
    if found:
        least = min(dice(labels[0] == value, labels[1] == value) for value in found)
        rows.append(Row(metric=f"{name}_dice_min", value=round(least, 5), unit="1", peer=peer))
    return rows


def _difference(name: str, one: Mapping[int, float], other: Mapping[int, float], *, peer: str) -> Row:
    worst = max(abs(one[number] - other[number]) for number in one)
    return Row(metric=f"{name}_probability_difference_max", value=round(worst, 5), unit="1", peer=peer)
