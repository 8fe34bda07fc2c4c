"""One prediction by nnunetv2 or by this node, in a process of its own: ``python nnunet_case.py WHO FOLDER IMAGE``."""

import io
import json
import resource
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.nnunet.answer import answer
from ainode_models.nnunet.folder import NnunetFolder

WHO = ("nnunetv2", "ainode_fp32", "ainode_bf16")
FOLDS: tuple[int | str, ...] = (0,)


def folder_of(path: Path, *, mirroring: bool) -> NnunetFolder:
    """The result folder as a package would name it."""
    return NnunetFolder(path, FOLDS, "checkpoint_final.pth", 0.5, mirroring=mirroring, previous=None)


def by_nnunetv2(folder: NnunetFolder, image: NDArray[np.float32], spacing: list[float]) -> Any:
    """A function that predicts once, the network loaded."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=folder.step_size,
        use_mirroring=folder.mirroring,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(str(folder.path), folder.folds)
    return lambda: predictor.predict_single_npy_array(image, {"spacing": spacing})


def by_ainode(folder: NnunetFolder, image: NDArray[np.float32], spacing: list[float], *, precision: str) -> Any:
    """The same by this node's predictor."""
    from ainode_models.nnunet.conversion import converted
    from ainode_models.nnunet.network import NnunetNetwork
    from ainode_models.nnunet.openvino_engine import OpenVinoEngine

    network = NnunetNetwork.load(folder, "cpu")
    found = converted(folder)
    assert found
    network.sliding.engine = OpenVinoEngine(found, precision="bf16" if precision == "bf16" else "fp32")
    return lambda: answer([network.look(image, spacing)], network.heads, size=image.shape[1:]).labels


def main() -> None:
    """Predict a small piece to warm up, then the case; print seconds and peak memory as JSON, and keep the labels."""
    who, path, case = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    data = np.load(case)
    image, spacing = data["image"], data["spacing"].tolist()
    folder = folder_of(path, mirroring=bool(data["mirroring"]))
    said = io.StringIO()
    with redirect_stdout(said):
        precision = who.rpartition("_")[2]
        by = by_nnunetv2 if who == "nnunetv2" else None
        warm = image[:, :8, :8, :8]  # one window of the network, padded
        for part in (warm, image):
            predict = by(folder, part, spacing) if by else by_ainode(folder, part, spacing, precision=precision)
            start = time.perf_counter()
            labels = predict()
            seconds = time.perf_counter() - start
    np.save(case.with_name(f"{case.stem}-{who}.npy"), labels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
