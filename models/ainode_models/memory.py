"""Whether an error of a runtime means that memory did not suffice, and where; what answers say of it."""

import sys

SPILLED = "results kept in the machine's memory, for the GPU lacked it"
"""Remark of an answer that is the same as without it."""
SMALLER_WINDOWS = "in smaller windows than the network was trained on, for memory lacked: borders may differ a little"
"""Remark of an answer whose labels may be others than those of the windows that the plans ask for."""
ON_CPU = "on the CPU, for the GPU lacked memory"
"""Remark of an answer that was made on the CPU although the GPU was asked for."""

_GPU = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "unable to find an engine to execute this computation",  # cuDNN's, for want of its workspace
)
_TENSORFLOW_GPU = (*_GPU, "Dst tensor is not initialized", "RESOURCE_EXHAUSTED", "Failed to allocate")
"""In TensorFlow's other errors: InternalError when a copy to the GPU found no room
(https://github.com/tensorflow/tensorflow/issues/7025), NotFoundError when no convolution did."""
_TENSORFLOW_CPU = "device:CPU"
"""Where a ResourceExhaustedError of the machine's memory says that it happened."""
_HOST = ("can't allocate memory", "not enough memory")


def lacks_memory(error: BaseException) -> bool:
    """Whether memory did not suffice, be it the accelerator's or the machine's."""
    return lacks_gpu_memory(error) or lacks_host_memory(error)


def lacks_gpu_memory(error: BaseException) -> bool:
    """Whether the GPU's memory did not suffice: torch's and TensorFlow's errors, or what CUDA's libraries say."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    if _is_tensorflows(error, "ResourceExhaustedError"):
        return _TENSORFLOW_CPU not in str(error)
    said = _TENSORFLOW_GPU if _is_tensorflows(error, "OpError") else _GPU if isinstance(error, RuntimeError) else ()
    return any(words in str(error) for words in said)


def lacks_host_memory(error: BaseException) -> bool:
    """Whether the machine's memory did not suffice: Python's and numpy's error, torch's and TensorFlow's words."""
    if isinstance(error, MemoryError):
        return True
    if _is_tensorflows(error, "ResourceExhaustedError"):
        return _TENSORFLOW_CPU in str(error)
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _HOST)


def _is_tensorflows(error: BaseException, name: str) -> bool:
    """Whether ``error`` is of TensorFlow's class ``name``; none is where TensorFlow was not imported."""
    errors = sys.modules.get("tensorflow.python.framework.errors_impl")
    return errors is not None and isinstance(error, getattr(errors, name))
