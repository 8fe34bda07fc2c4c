"""Radiographs and their classification on disk, between the steps of a run and the model's process."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode.durable_file import durable_file
from ainode_models.findings import Heatmap
from ainode_models.prediction import Classification
from ainode_models.radiograph import Radiograph


def save_radiographs(path: Path, images: Mapping[str, Radiograph]) -> None:
    """Write the inputs of a classifier; the file appears whole or not at all."""
    said = {name: [image.modality, image.body_part, image.view] for name, image in images.items()}
    _save(path, said, {name: image.pixels for name, image in images.items()})


def load_radiographs(path: Path) -> dict[str, Radiograph]:
    """Read what ``save_radiographs`` wrote, in the same order."""
    said, arrays = _load(path)
    return {name: Radiograph(arrays[name], *header) for name, header in said.items()}


def save_classification(path: Path, answer: Classification) -> None:
    """Write all of a classification; the file appears whole or not at all."""
    said = {
        "probabilities": list(answer.probabilities.items()),
        "members": {name: list(values.items()) for name, values in answer.members.items()},
        "parameters": answer.parameters,
        "heatmaps": [[heatmap.number, heatmap.method] for heatmap in answer.heatmaps],
        "remarks": answer.remarks,
        "lacking": answer.lacking,
        "device": answer.device,
        "rounded": answer.rounded,
        "doubtful": answer.doubtful,
    }
    _save(path, said, {str(place): heatmap.values for place, heatmap in enumerate(answer.heatmaps)})


def load_classification(path: Path) -> Classification:
    """Read what ``save_classification`` wrote."""
    said, arrays = _load(path)
    return Classification(
        probabilities=dict(said["probabilities"]),
        members={name: dict(values) for name, values in said["members"].items()},
        parameters=said.get("parameters"),
        heatmaps=tuple(
            Heatmap(number, method, arrays[str(place)]) for place, (number, method) in enumerate(said["heatmaps"])
        ),
        remarks=tuple(said["remarks"]),
        lacking=tuple(said.get("lacking", ())),
        device=said.get("device", ""),  # not in those of earlier releases
        rounded=said.get("rounded", False),
        doubtful=said.get("doubtful", False),
    )


def _save(path: Path, said: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float32]]) -> None:
    with durable_file(path) as file:
        np.savez(file, said=np.array(json.dumps(said)), **{f"array/{name}": array for name, array in arrays.items()})  # type: ignore[arg-type]  # numpy's stub takes allow_pickle first


def _load(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key.removeprefix("array/"): file[key] for key in file.files if key.startswith("array/")}
        return json.loads(str(file["said"])), arrays
