"""nnunetv2's predictor, which does with less memory when there is no more. Imports torch and nnunetv2."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.utilities.helpers import empty_cache
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

from ainode_models.errors import ModelError
from ainode_models.memory import SMALLER_WINDOWS, SPILLED, lacks_memory
from ainode_models.nnunet_windows import Patch, smaller_patches


@dataclass(frozen=True)
class Pass:
    """One way to go through an image."""

    patch: Patch
    """Voxels of a window."""
    on_device: bool
    """Whether the image and the sums of logits lie where the network is, else in the machine's memory."""


class Predictor(nnUNetPredictor):  # type: ignore[misc]  # nnunetv2 has no types
    """Answers as nnunetv2's, of which it replaces the loop over windows.

    nnunetv2's own hangs for ever when a window does not fit on the GPU (it copies them in a thread, whose end nobody
    notices), and goes on with results in the machine's memory while the error still holds what the GPU had of the
    first attempt. This one tries, each after the memory of the one before is free: results on the GPU; in the machine's
    memory, which gives the same answer; then smaller and smaller windows.
    """

    network: Any
    configuration_manager: Any

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._begin = 0
        """The first way that was not found to need too much memory for the image at hand."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was done otherwise than asked since `forget`."""
        ways = self._ways()
        wanted, taken = ways[0], ways[self._begin]
        spilled = wanted.on_device and not taken.on_device
        return (SPILLED,) * spilled + (SMALLER_WINDOWS,) * (taken.patch != wanted.patch)

    def forget(self) -> None:
        """Begin with what takes most memory again: another image may be smaller, or the GPU empty."""
        self._begin = 0

    @torch.inference_mode()
    def predict_sliding_window_return_logits(self, input_image: torch.Tensor) -> torch.Tensor:
        """Logits ``(heads, *image)`` of one fold; see nnunetv2. Raises what the last way raised."""
        self.network = self.network.to(self.device)
        self.network.eval()
        ways = self._ways()
        while True:
            logits = self._tried(input_image, ways[self._begin], is_last=self._begin + 1 == len(ways))
            if logits is not None:
                return logits
            self._begin += 1  # here, where the error no longer holds on to memory; and for the folds that follow

    def _ways(self) -> list[Pass]:
        """Those that there are, from the one that takes most memory to the one that takes least."""
        patch = tuple(self.configuration_manager.patch_size)
        first = [Pass(patch, on_device=True)] if self.perform_everything_on_device else []
        patches = (patch, *smaller_patches(self.network, patch))
        return [*first, *(Pass(each, on_device=False) for each in patches)]

    def _tried(self, image: torch.Tensor, way: Pass, *, is_last: bool) -> torch.Tensor | None:
        """The logits; None when memory lacks and there are other ways."""
        empty_cache(self.device)
        try:
            return self._logits(image, way)
        except (MemoryError, RuntimeError) as error:
            if is_last or not lacks_memory(error):
                raise
        return None

    def _logits(self, image: torch.Tensor, way: Pass) -> torch.Tensor:
        on_gpu = self.device.type == "cuda"
        with torch.autocast("cuda") if on_gpu else nullcontext():  # on CPUs nnunetv2 computes in fp32
            padded, inside = pad_nd_image(image, way.patch, "constant", {"value": 0}, True, None)
            logits = self._summed(padded, self._windows(padded.shape[1:], way.patch), way)
        if torch.any(torch.isinf(logits)):
            raise ModelError("the network gave infinite numbers; check its weights with `ainode models check`")
        return logits[(slice(None), *inside[1:])]

    def _windows(self, size: Sequence[int], patch: Patch) -> list[tuple[slice | int, ...]]:
        """Where the windows of an image lie."""
        own = self.configuration_manager
        self.configuration_manager = ConfigurationManager({**own.configuration, "patch_size": patch})
        try:
            windows: list[tuple[slice | int, ...]] = self._internal_get_sliding_window_slicers(size)
        finally:
            self.configuration_manager = own
        return windows

    def _summed(self, image: torch.Tensor, windows: list[tuple[slice | int, ...]], way: Pass) -> torch.Tensor:
        """Mean of the windows' logits at each voxel, by nnunetv2's Gaussian: its operations, in its order."""
        place = self.device if way.on_device else torch.device("cpu")
        image, heads = image.to(place), self.label_manager.num_segmentation_heads
        logits = torch.zeros((heads, *image.shape[1:]), dtype=torch.half, device=place)
        weights = torch.zeros(image.shape[1:], dtype=torch.half, device=place)
        bell = compute_gaussian(way.patch, sigma_scale=1 / 8, value_scaling_factor=10, device=place)
        for window in windows:
            part = image[window][None].clone(memory_format=torch.contiguous_format).to(self.device)
            answer = self._internal_maybe_mirror_and_predict(part)[0].to(place)
            answer *= bell
            logits[window] += answer
            weights[window[1:]] += bell
        return torch.div(logits, weights, out=logits)
