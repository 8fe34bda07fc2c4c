"""What the heads of a network mean: labels that exclude each other, or regions that overlap."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from ainode_models.nnunet.folder import NnunetFolder


@dataclass(frozen=True)
class Heads:
    """The heads of a network, as ``dataset.json`` declares them (nnU-Net's ``LabelManager``)."""

    count: int
    order: tuple[int, ...] | None
    """Of regions: the label that each head gives, where a later one covers an earlier; None for labels."""
    foreground: tuple[int, ...]
    """The labels but background, in the order in which a cascade gives them on."""

    @classmethod
    def of(cls, folder: NnunetFolder) -> "Heads":
        """Read them; the folder was checked by `members_of`."""
        dataset = folder.document("dataset.json")
        declared = {name: value for name, value in dataset["labels"].items() if name != "ignore"}
        values = {int(each) for value in declared.values() for each in (value if isinstance(value, list) else [value])}
        if not any(isinstance(value, list) and len(value) > 1 for value in declared.values()):
            return cls(len(values), None, tuple(sorted(values - {0})))
        order = tuple(map(int, dataset["regions_class_order"]))
        return cls(len(order), order, tuple(sorted(values - {0})))

    def probabilities(self, logits: Any) -> Any:
        """Softmax over the heads, or the sigmoid of each region; ``(heads, *voxels)`` as ``logits``."""
        xp = array_namespace(logits)
        if self.order is not None:
            return 1 / (1 + xp.exp(-logits))
        powers = xp.exp(logits - xp.max(logits, axis=0, keepdims=True))
        return powers / xp.sum(powers, axis=0, keepdims=True)

    def labels(self, probabilities: Any) -> Any:
        """The label of each voxel, ``(*voxels)``; logits do as well where labels exclude each other."""
        xp = array_namespace(probabilities)
        if self.order is None:
            return (
                _likeliest(probabilities) if isinstance(probabilities, np.ndarray) else xp.argmax(probabilities, axis=0)
            )
        found = xp.zeros(probabilities.shape[1:], dtype=xp.int64, device=device(probabilities))
        for head, label in enumerate(self.order):
            found[probabilities[head] > 0.5] = label
        return found

    def lookup(self) -> NDArray[np.int64]:
        """For each value of a label map, 0 to 255, the head of that label; 0 where there is none."""
        rows: NDArray[np.int64] = np.zeros(256, dtype=np.int64)
        for row, label in enumerate(self.order if self.order is not None else range(self.count)):
            rows[label] = row
        return rows


def _likeliest(values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """``np.argmax(values, axis=0)``, which turns ``values`` around first: with 100 heads it takes ten times as long."""
    best, found = values[0].copy(), np.zeros(values.shape[1:], dtype=np.int64)
    for head, value in enumerate(values[1:], start=1):
        higher = value > best
        np.copyto(best, value, where=higher)
        np.copyto(found, head, where=higher)
    return found
