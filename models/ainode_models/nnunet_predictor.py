"""nnunetv2's predictor, with an ear for what it does otherwise than asked. Imports torch and nnunetv2."""

from typing import Any

from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from ainode_models.memory import lacks_gpu_memory


class Predictor(nnUNetPredictor):  # type: ignore[misc]  # nnunetv2 has no types
    """Remembers that results did not fit into the GPU's memory: nnunetv2 then keeps them in the machine's."""

    spilled = False

    def _internal_predict_sliding_window_return_logits(self, data: Any, slicers: Any, do_on_device: bool = True) -> Any:
        try:
            return super()._internal_predict_sliding_window_return_logits(data, slicers, do_on_device)
        except RuntimeError as error:
            self.spilled = self.spilled or (do_on_device and lacks_gpu_memory(error))
            raise
