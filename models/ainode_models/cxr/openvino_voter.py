"""A net that votes, on a CPU by OpenVINO, and in which numbers it may compute."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ainode_models.cxr.ask import BATCH, Pictures
from ainode_models.openvino_network import OpenVinoNetwork
from ainode_models.profile import Precision

MOST_DIFFERENCE = 0.005
"""Of a probability in bf16, on the pictures that were tried: half of what is promised, 0.01, for they are few."""


class OpenVinoVoter:
    """Asks one picture, or `BATCH` at once: the network is compiled for no other number."""

    def __init__(self, file: Path, precision: Precision = "fp32") -> None:
        self._network = OpenVinoNetwork(file, precision=precision)
        self.precision = precision

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        """See `Ask`; at most `BATCH` pictures."""
        count = len(pictures)
        if 1 < count < BATCH:
            pictures = np.concatenate([pictures, np.zeros((BATCH - count, *pictures.shape[1:]), np.float32)])
        return self._network(pictures)[:count]


def precisions_of(differences: Mapping[str, float | None]) -> dict[str, Precision]:
    """bf16 for each net whose probabilities it was seen to move little, by how much; None where nobody could see."""
    return {
        name: "bf16" if moved is not None and moved <= MOST_DIFFERENCE else "fp32"
        for name, moved in differences.items()
    }
