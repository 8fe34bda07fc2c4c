"""What computes a network's answer to windows."""

from typing import Any, Protocol

from ainode_models.nnunet.resampling import Shape


class Engine(Protocol):
    """The networks of all folds, on one device."""

    @property
    def device(self) -> str:
        """In words: ``cpu``, or number and name of a GPU."""

    @property
    def on_gpu(self) -> bool:
        """Whether the device has a memory of its own."""

    @property
    def precision(self) -> str:
        """Of its numbers: ``fp32``, ``bf16``, ``fp16``."""

    @property
    def parameters(self) -> int:
        """How many there are in all folds."""

    @property
    def mirror_axes(self) -> Shape:
        """The axes of the patch along which the network was trained to be mirrored."""

    @property
    def heads(self) -> int:
        """Channels of an answer."""

    def place(self, array: Any, *, beside: bool) -> Any:
        """An array of numpy, or one placed before: on the engine's device, or ``beside`` it in the machine's memory."""

    def run(self, windows: Any) -> Any:
        """Mean of the folds' logits ``(windows, heads, *patch)`` of ``(windows, channels, *patch)``.

        Any patch that the network can take; arrays of the kind that `place` gives. The caller may change the answer,
        and the next call may overwrite it.
        """
