"""Logits of 104 labels become labels on the grid of the image, and these a segmentation, in a process of its own.

``resampled`` starts it: ``seg_resampling.py ainode|nnunetv2 FOLDER SLICES``; nnunetv2 resamples, and writes nothing.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_dicom_sr.objects import write_object
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.nnunet.answer import Seen, answer
from ainode_models.nnunet.labels import Heads
from ainode_models.nnunet.preparation import Grids
from ainode_models.nnunet.resampling import Interpolation, Resampling
from memory import PeakMemory
from seg_writing import EQUIPMENT, in_process
from whole_body import ROWS, SEGMENTS, findings, headers, network_logits

FUNCTION = "resample_data_or_seg_to_shape"
ARGUMENTS: dict[str, Any] = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
"""How the plans of most networks have logits resampled."""
COARSER = 3
"""Millimetres of the network's voxels, where those of the image have 1: the logits of 600 slices are 2.5 GB. Those of a
network of 1.5 mm would be 20 GB: who has them has no 3 GB to keep to."""


@dataclass(frozen=True)
class Resampled:
    """One volume, brought to its grid."""

    resample_s: float
    write_s: float
    """To BINARY; 0 where nothing is written."""
    extra_mb: float
    """What resampling needs at its peak beside the logits, the labels included."""
    peak_mb: float
    """Of the process, from its start to its end."""
    labels: Path


def resampled(program: str, folder: Path, slices: int) -> Resampled:
    """By ``ainode`` or ``nnunetv2``."""
    _, peak_mb, said = in_process([sys.executable, __file__, program, str(folder), str(slices)])
    found = json.loads(said.splitlines()[-1])
    return Resampled(**found, peak_mb=peak_mb, labels=_labels_file(program, folder, slices))


def _labels_file(program: str, folder: Path, slices: int) -> Path:
    return folder / f"resampled-{program}-{slices}.npy"


def _by_ainode(logits: NDArray[np.float32], whole: tuple[int, int, int]) -> NDArray[np.uint8]:
    small, fine, coarse = logits.shape[1:], (1.0, 1.0, 1.0), (COARSER,) * 3
    how = Interpolation.of(FUNCTION, ARGUMENTS)
    back = Resampling.between(how, small, whole, spacing=coarse, wanted=fine)
    everything = tuple(slice(0, size) for size in whole)
    grids = Grids(whole, everything, np.ones((1, 1, 1), dtype=bool), small, fine, coarse)
    heads = Heads(1 + SEGMENTS, None, tuple(range(1, 1 + SEGMENTS)))
    return answer([Seen(logits, grids, back, (0, 1, 2), flipped=False)], heads, size=whole).labels


def _by_nnunetv2(logits: NDArray[np.float32], whole: tuple[int, int, int]) -> NDArray[np.uint8]:
    """As ``convert_predicted_logits_to_segmentation_with_correct_shape`` does where labels exclude each other."""
    from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    manager = LabelManager({"background": 0} | {str(label): label for label in range(1, 1 + SEGMENTS)}, None)
    made: Any = resample_data_or_seg_to_shape(logits, whole, (COARSER,) * 3, (1, 1, 1), **ARGUMENTS)
    return np.asarray(manager.convert_logits_to_segmentation(made)).astype(np.uint8)


def _main(program: str, folder: Path, slices: int) -> None:
    whole = (slices, ROWS, ROWS)
    logits = network_logits((round(slices / COARSER), round(ROWS / COARSER), round(ROWS / COARSER)))
    memory, began = PeakMemory(os.getpid()), time.perf_counter()
    labels = _by_ainode(logits, whole) if program == "ainode" else _by_nnunetv2(logits, whole)
    done = {"resample_s": time.perf_counter() - began, "extra_mb": memory.extra_mb, "write_s": 0.0}
    del logits
    if program == "ainode":
        run, began = findings(labels), time.perf_counter()
        with (folder / "resampled.dcm").open("wb") as file:
            write_object(segmentation(run, headers(folder)[:slices], EQUIPMENT), file)
        done["write_s"] = time.perf_counter() - began
    np.save(_labels_file(program, folder, slices), labels)
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
