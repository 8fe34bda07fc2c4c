"""Networks on a CPU by OpenVINO."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.nnunet.conversion import ConvertedFolder
from ainode_models.openvino_network import OpenVinoNetwork, computes_bf16
from ainode_models.profile import Precision


class OpenVinoEngine:
    """All folds of a converted folder."""

    on_gpu = False
    device = "cpu"

    def __init__(self, folder: ConvertedFolder, *, precision: Precision = "fp32") -> None:
        self.precision: Precision = "fp32" if precision == "bf16" and not computes_bf16() else precision
        self.parameters, self.heads, self.mirror_axes = folder.parameters, folder.heads, folder.mirror_axes
        self._networks = [OpenVinoNetwork(file, precision=precision) for file in folder.folds]

    def place(self, array: NDArray[Any], *, beside: bool) -> NDArray[Any]:  # noqa: ARG002 - there is one memory
        """See `Engine.place`."""
        return np.asarray(array)

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        first, *others = self._networks
        total = first.lent(windows)
        for network in others:
            total += network.lent(windows)
        total /= len(self._networks)
        return total
