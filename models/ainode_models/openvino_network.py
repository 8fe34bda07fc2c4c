"""One network on a CPU by OpenVINO."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import openvino
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch.nn import Module

Precision = Literal["fp32", "bf16"]
"""bf16 is two to four times as fast where the CPU computes it, but has eight bits for the digits of a number."""


class OpenVinoNetwork:
    """A network with one input and one output, compiled anew for each shape that it is asked with."""

    def __init__(self, source: "Path | openvino.Model", *, precision: Precision = "fp32") -> None:
        self._core = openvino.Core()
        self._source = source
        self._hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        }
        self._requests: dict[tuple[int, ...], Any] = {}

    def __call__(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output, whose memory is the caller's."""
        seen = np.ascontiguousarray(given)
        answer: NDArray[np.float32] = self._request(seen.shape).infer({0: seen}, share_inputs=True)[0]
        return answer

    def _request(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._requests:
            source = self._source
            model = self._core.read_model(source) if isinstance(source, Path) else source.clone()
            model.reshape({0: openvino.PartialShape(list(shape))})
            self._requests[shape] = self._core.compile_model(model, "CPU", self._hints).create_infer_request()
        return self._requests[shape]


def computes_bf16() -> bool:
    """Whether this machine's CPU has instructions for bf16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def traced(network: "Module", *shape: int) -> openvino.Model:
    """A network of torch in OpenVINO's form, for an input of ``shape``, of which -1 may be any size."""
    import warnings

    import torch

    example = torch.zeros([max(1, size) for size in shape])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # OpenVINO traces with torch.jit, which torch calls deprecated
        # unchecked, for its check asks the network twice more
        script = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        return openvino.convert_model(script, example_input=example, input=[openvino.PartialShape(list(shape))])
