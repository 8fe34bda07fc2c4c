"""Whether an error of a runtime means that memory did not suffice, and where."""

import sys

ON_CPU = "on the CPU, for the GPU lacked memory"
"""Remark of an answer that was made on the CPU although the GPU was asked for."""

_GPU = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
_HOST = ("can't allocate memory", "not enough memory")


def lacks_gpu_memory(error: BaseException) -> bool:
    """Whether the accelerator's memory did not suffice: torch's own error, or what CUDA's libraries say."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _GPU)


def lacks_host_memory(error: BaseException) -> bool:
    """Whether the machine's memory did not suffice: Python's and numpy's error, or what torch's allocator says."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _HOST)
