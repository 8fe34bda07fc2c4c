"""One network on a CPU by OpenVINO."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ainode_models.cores import cores_allowed
from ainode_models.profile import Precision

if TYPE_CHECKING:
    from torch.nn import Module


class OpenVinoNetwork:
    """A network with one input and one output, compiled anew for each shape that it is asked with."""

    def __init__(self, source: "Path | openvino.Model", *, precision: Precision = "fp32") -> None:
        self._core = openvino.Core()
        # Read once: the file may be gone from the cache when another shape is asked for.
        self._model = self._core.read_model(source) if isinstance(source, Path) else source
        # What a network in int8 has not in int8, it has in bf16.
        rest = "bf16" if precision != "fp32" and computes_bf16() else "f32"
        self._hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": rest}
        # OpenVINO knows cores and NUMA nodes, and pins a thread to each core. It does not see quotas; and containers
        # that share cores would all be pinned to the first ones.
        if (cores := cores_allowed()) < len(os.sched_getaffinity(0)):
            self._hints |= {"INFERENCE_NUM_THREADS": cores, "ENABLE_CPU_PINNING": False}
        self._requests: dict[tuple[int, ...], Any] = {}

    def __call__(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output, whose memory is the caller's."""
        return self.lent(given).copy()

    def lent(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output, until the next call overwrites it."""
        request = self._request(given.shape)
        request.input_tensors[0].data[...] = given  # mirrored views are copied once, and none is held until the next
        answer: NDArray[np.float32] = request.infer(share_outputs=True)[0]
        return answer

    def _request(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._requests:
            model = self._model.clone()
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
