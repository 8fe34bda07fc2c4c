"""One nnU-Net v2 result folder, loaded: its folds, and the stage before it where it ends a cascade."""

import io
import logging
import os
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.errors import PackageError
from ainode_models.memory import lacks_host_memory
from ainode_models.nnunet_folder import NnunetFolder

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NnunetNetwork:
    """Answers as nnunetv2's own predictor does with the folder."""

    folder: NnunetFolder
    predictor: Any
    """``ainode_models.nnunet_predictor.Predictor``."""
    previous: "NnunetNetwork | None"

    @classmethod
    def load(cls, folder: NnunetFolder, device: str) -> "NnunetNetwork":
        """Load the folder, and those before it, on ``device``: ``cpu``, ``cuda`` or ``auto``.

        Raises `PackageError` when its files do not fit together, or it follows another stage than it was trained to.
        """
        previous = cls.load(folder.previous, device) if folder.previous else None
        network = cls(folder, _predictor(folder, device), previous)
        network._check_stages()
        return network

    @property
    def parameters(self) -> int:
        """Of all its folds, and of the stages before it."""
        one: int = sum(each.numel() for each in self.predictor.network.parameters())
        return one * len(self.predictor.list_of_parameters) + (self.previous.parameters if self.previous else 0)

    @property
    def configuration(self) -> str:
        """Name of its configuration in the plans, such as ``3d_fullres``."""
        plans, own = self.predictor.plans_manager, self.predictor.configuration_manager.configuration
        names: list[str] = plans.available_configurations
        return next(name for name in names if plans.get_configuration(name).configuration == own)

    @property
    def device(self) -> str:
        """Where it computes, in words."""
        from ainode_models.torch_device import named

        return named(self.predictor.device)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was done otherwise than asked, for lack of memory, since `forget`."""
        before = self.previous.remarks if self.previous else ()
        return tuple(dict.fromkeys((*before, *self.predictor.remarks)))

    def forget(self) -> None:
        """Begin anew with what takes most memory."""
        self.predictor.forget()
        if self.previous:
            self.previous.forget()

    def predict(self, image: NDArray[np.float32], spacing: list[float]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Labels ``(slices, rows, columns)`` and probabilities ``(heads, slices, rows, columns)``.

        ``image`` is ``(channels, slices, rows, columns)`` in canonical axes (`ainode_models.orientation`), ``spacing``
        in millimetres in the order of these axes.
        """
        labels, probabilities = self._ask(image, spacing, probabilities=True)
        return labels, probabilities

    def labels(self, image: NDArray[np.float32], spacing: list[float]) -> NDArray[Any]:
        """The labels alone, which takes much less memory."""
        labels: NDArray[Any] = self._ask(image, spacing, probabilities=False)
        return labels

    def _ask(self, image: NDArray[np.float32], spacing: list[float], *, probabilities: bool) -> Any:
        before = self.previous.labels(image, spacing)[None].astype(np.float32) if self.previous else None
        flip = self.folder.reads_ras
        with redirect_stdout(io.StringIO()):
            answer = self.predictor.predict_single_npy_array(
                _turned(image, flip), {"spacing": list(spacing)}, _turned(before, flip), None, probabilities
            )
        return (_turned(answer[0], flip), _turned(answer[1], flip)) if probabilities else _turned(answer, flip)

    def _check_stages(self) -> None:
        wanted = self.predictor.configuration_manager.previous_stage_name
        given = self.previous.configuration if self.previous else None
        if wanted != given:
            cure = f"name the folder of {wanted} in the table 'previous'" if wanted else "remove the table 'previous'"
            raise PackageError(
                f"{self.folder.path}: its configuration {self.configuration} follows {wanted or 'no other stage'}, "
                f"not {given or 'none'}; {cure}"
            )


def _turned(array: Any, flip: bool) -> Any:
    """Between LPS and RAS: rows and columns run the other way."""
    return np.ascontiguousarray(array[..., ::-1, ::-1]) if flip and array is not None else array


def _predictor(folder: NnunetFolder, device: str) -> Any:
    """nnunetv2's predictor for ``folder``; what it prints is dropped."""
    import torch

    # nnunetv2 takes eight threads, which on fewer cores wait for each other most of the time.
    os.environ.setdefault("nnUNet_def_n_proc", str(torch.get_num_threads()))
    from ainode_models.nnunet_predictor import Predictor
    from ainode_models.torch_device import device_of

    with redirect_stdout(io.StringIO()):
        predictor = Predictor(
            tile_step_size=folder.step_size,
            use_mirroring=folder.mirroring,
            device=device_of(device),
            allow_tqdm=False,
        )
        try:
            predictor.initialize_from_trained_model_folder(
                str(folder.path), folder.folds, checkpoint_name=folder.checkpoint
            )
        except (KeyError, RuntimeError, AttributeError) as exc:
            if lacks_host_memory(exc):
                raise
            raise PackageError(
                f"{folder.path}: plans.json, dataset.json and the checkpoint do not fit together: {exc}; "
                "copy all of them from one training"
            ) from exc
    _log.info("nnU-Net loaded from %s on %s", folder.path, predictor.device)
    return predictor
