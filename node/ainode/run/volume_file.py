"""Volumes and predictions on disk, between the steps of a run and the model's process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode.durable_file import durable_file
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume


def save_volumes(path: Path, volumes: Mapping[str, Volume]) -> None:
    """Write the inputs of a model; the file appears whole or not at all."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, volume in volumes.items():
        arrays[f"array/{name}"] = volume.array
        arrays[f"affine/{name}"] = volume.affine
        arrays[f"frame/{name}"] = np.array(volume.frame_of_reference_uid)
    _save(path, arrays)


def load_volumes(path: Path) -> dict[str, Volume]:
    """Read what ``save_volumes`` wrote, in the same order."""
    with np.load(path, allow_pickle=False) as file:
        names = [key.removeprefix("array/") for key in file.files if key.startswith("array/")]
        return {
            name: Volume(file[f"array/{name}"], file[f"affine/{name}"], str(file[f"frame/{name}"])) for name in names
        }


def save_prediction(path: Path, prediction: Prediction) -> None:
    """Write all of a prediction; the file appears whole or not at all."""
    labels = np.array(list(prediction.confidence), dtype=np.int64)
    values = np.array(list(prediction.confidence.values()), dtype=np.float64)
    remarks = np.array(prediction.remarks, dtype=np.str_)
    arrays: dict[str, NDArray[Any]] = {"label_map": prediction.label_map, "labels": labels, "confidence": values}
    lacking = np.array(prediction.lacking, dtype=np.str_)
    arrays |= {"remarks": remarks, "lacking": lacking, "device": np.array(prediction.device)}
    if prediction.parameters is not None:
        arrays["parameters"] = np.array(prediction.parameters)
    if prediction.probabilities is not None:
        arrays["probabilities"] = prediction.probabilities
    _save(path, arrays)


def load_prediction(path: Path) -> Prediction:
    """Read what ``save_prediction`` wrote."""
    with np.load(path, allow_pickle=False) as file:
        parameters = int(file["parameters"]) if "parameters" in file.files else None
        confidence = dict(zip(file["labels"].tolist(), file["confidence"].tolist(), strict=True))
        probabilities = file["probabilities"] if "probabilities" in file.files else None
        device = str(file["device"]) if "device" in file.files else ""  # not in those of earlier releases
        said = tuple(file["remarks"].tolist())
        lacking = tuple(file["lacking"].tolist()) if "lacking" in file.files else ()
        return Prediction(
            file["label_map"], confidence, said, probabilities, device, parameters=parameters, lacking=lacking
        )


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with durable_file(path) as file:
        np.savez(file, **dict(arrays))  # type: ignore[arg-type]  # numpy's stub takes allow_pickle first
