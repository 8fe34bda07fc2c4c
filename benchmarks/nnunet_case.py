"""One prediction by nnunetv2 or by this node, in a process of its own: ``python nnunet_case.py WHO FOLDER IMAGE``."""

import io
import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ainode_models.nnunet.answer import answer
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.profile import Precision

WHO = ("nnunetv2", "ainode_fp32", "ainode_bf16", "ainode_int8")
Predict = Callable[[NDArray[np.float32]], Any]
"""Labels ``(slices, rows, columns)`` of an image ``(channels, slices, rows, columns)``."""
FOLDS: tuple[int | str, ...] = (0,)


def folder_of(path: Path, *, mirroring: bool) -> NnunetFolder:
    """The result folder as a package would name it."""
    return NnunetFolder(path, FOLDS, "checkpoint_final.pth", 0.5, mirroring=mirroring, previous=None)


def by_nnunetv2(folder: NnunetFolder, spacing: list[float]) -> Predict:
    """nnunetv2's own predictor, loaded."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=folder.step_size,
        use_mirroring=folder.mirroring,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(str(folder.path), folder.folds)
    return lambda image: predictor.predict_single_npy_array(image, {"spacing": spacing})


def by_ainode(folder: NnunetFolder, spacing: list[float], *, precision: Precision) -> Predict:
    """This node's predictor, loaded."""
    from ainode_models.nnunet.network import NnunetNetwork

    network = NnunetNetwork.load(folder, "cpu", precision=precision)
    return lambda image: answer([network.look(image, spacing)], network.heads, size=image.shape[1:]).labels


def main() -> None:
    """Predict a small piece to warm up, then the case; print seconds and peak memory as JSON, and keep the labels."""
    who, path, case = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    data = np.load(case)
    image, spacing = data["image"], data["spacing"].tolist()
    folder = folder_of(path, mirroring=bool(data["mirroring"]))
    said = io.StringIO()
    with redirect_stdout(said):
        precision = next((each for each in get_args(Precision) if who.endswith(each)), None)
        predict = by_ainode(folder, spacing, precision=precision) if precision else by_nnunetv2(folder, spacing)
        predict(image[:, :8, :8, :8])  # one window of the network, padded
        start = time.perf_counter()
        labels = predict(image)
        seconds = time.perf_counter() - start
    np.save(case.with_name(f"{case.stem}-{who}.npy"), labels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
