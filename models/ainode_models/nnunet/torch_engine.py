"""Networks on a GPU, or on a CPU without OpenVINO, by torch. Imports torch and nnunetv2."""

import copy
import io
import os
from contextlib import nullcontext, redirect_stdout
from typing import Any

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from ainode_models.checkpoint import refuse_code
from ainode_models.errors import PackageError
from ainode_models.memory import lacks_host_memory
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.torch_device import device_of, named


class TorchEngine:
    """All folds of a folder as torch modules; fp16 on a GPU, as nnunetv2 does, and fp32 on a CPU."""

    def __init__(self, folder: NnunetFolder, device: str) -> None:
        self._device = device_of(device)
        loaded = read(folder)
        self.on_gpu = self._device.type == "cuda"
        self.device = named(self._device)
        self.precision = "fp16" if self.on_gpu else "fp32"
        self.mirror_axes = tuple(loaded.allowed_mirroring_axes or ())
        self.heads = int(loaded.label_manager.num_segmentation_heads)
        self.networks = [network.to(self._device) for network in folds_of(loaded)]
        self.parameters = sum(each.numel() for network in self.networks for each in network.parameters())
        self.configuration = configuration_of(loaded)

    def place(self, array: Any, *, beside: bool) -> torch.Tensor:
        """See `Engine.place`."""
        return torch.as_tensor(array, device="cpu" if beside else self._device)

    @torch.no_grad()  # not inference_mode, whose tensors cannot be changed outside of it
    def run(self, windows: torch.Tensor) -> torch.Tensor:
        """See `Engine.run`."""
        seen = windows.to(self._device)
        # Windows have one size: cuDNN may look for the fastest way once. nnunetv2 lets it when it loads onto a GPU.
        fastest = torch.backends.cudnn.flags(enabled=True, benchmark=True)
        with fastest, torch.autocast("cuda") if self.on_gpu else nullcontext():
            total = torch.stack([network(seen).float() for network in self.networks]).mean(dim=0)
        return total.to(windows.device)


def read(folder: NnunetFolder) -> Any:
    """nnunetv2's predictor with everything that it reads from ``folder``; what it prints is dropped.

    Raises `PackageError` when the files do not fit together, or a checkpoint holds code.
    """
    for checkpoint in folder.checkpoints:
        refuse_code(checkpoint)
    # nnunetv2 takes eight threads, which on fewer cores wait for each other most of the time.
    os.environ.setdefault("nnUNet_def_n_proc", str(torch.get_num_threads()))
    with redirect_stdout(io.StringIO()):
        predictor = nnUNetPredictor(use_mirroring=folder.mirroring, device=torch.device("cpu"), allow_tqdm=False)
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
    return predictor


def folds_of(predictor: Any) -> list[torch.nn.Module]:
    """The network of each fold, ready to be asked."""
    networks = []
    for weights in predictor.list_of_parameters:
        network = copy.deepcopy(predictor.network)
        network.load_state_dict(weights)
        networks.append(network.eval().requires_grad_(requires_grad=False))
    return networks


def configuration_of(predictor: Any) -> str:
    """The name of the configuration that the checkpoint was trained in."""
    plans, own = predictor.plans_manager, predictor.configuration_manager.configuration
    names: list[str] = plans.available_configurations
    return next(name for name in names if plans.get_configuration(name).configuration == own)
