"""Networks on a CPU by OpenVINO."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino
from numpy.typing import NDArray

from ainode_models.nnunet.conversion import Converted
from ainode_models.nnunet.resampling import Shape

Precision = Literal["fp32", "bf16"]
"""bf16 is two to four times as fast where the CPU computes it, but moves the borders of small parts a little."""


class OpenVinoEngine:
    """All folds of a converted folder, compiled for each shape of windows that is asked for."""

    on_gpu = False
    device = "cpu"

    def __init__(self, place: Path, facts: Converted, *, precision: Precision = "fp32") -> None:
        self._core = openvino.Core()
        self.precision = precision
        self.parameters, self.heads, self.mirror_axes = facts.parameters, facts.heads, facts.mirror_axes
        self.configuration = facts.configuration
        self._files = [place / name for name in sorted(facts.sums) if name.endswith(".xml")]
        self._compiled: dict[Shape, list[Any]] = {}

    def place(self, array: NDArray[Any], *, beside: bool) -> NDArray[Any]:  # noqa: ARG002 - there is one memory
        """See `Engine.place`."""
        return np.asarray(array)

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        seen = np.ascontiguousarray(windows)
        networks = self._for(seen.shape)
        total: NDArray[np.float32] = networks[0].infer({0: seen}, share_inputs=True)[0]
        for network in networks[1:]:
            total += network.infer({0: seen}, share_inputs=True)[0]
        total /= len(networks)
        return total

    def _for(self, shape: Shape) -> list[Any]:
        """Requests for windows of this shape, one for each fold."""
        if shape not in self._compiled:
            self._compiled[shape] = [self._request(file, shape) for file in self._files]
        return self._compiled[shape]

    def _request(self, file: Path, shape: Shape) -> Any:
        model = self._core.read_model(file)
        model.reshape({0: openvino.PartialShape(list(shape))})
        hint = {"INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32"}
        return self._core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **hint}).create_infer_request()
