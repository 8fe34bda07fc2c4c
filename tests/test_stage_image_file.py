"""Radiographs and classifications between the steps of a run."""

from pathlib import Path

import numpy as np

from ainode.run.image_file import load_classification, load_radiographs, save_classification, save_radiographs
from ainode_models.findings import Heatmap
from ainode_models.prediction import Classification
from ainode_models.radiograph import Radiograph


def test_radiographs_come_back_as_they_were_and_in_their_order(tmp_path: Path) -> None:
    pixels = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    images = {"lateral": Radiograph(pixels), "frontal": Radiograph(pixels[::-1], "DX", "CHEST", "PA")}
    save_radiographs(tmp_path / "file", images)
    back = load_radiographs(tmp_path / "file")
    assert list(back) == list(images)
    for name, image in images.items():
        assert np.array_equal(back[name].pixels, image.pixels)
        assert (back[name].modality, back[name].body_part, back[name].view) == (
            image.modality,
            image.body_part,
            image.view,
        )


def test_a_classification_comes_back_as_it_was(tmp_path: Path) -> None:
    values = np.eye(3, dtype=np.float32)
    answer = Classification(
        probabilities={1: 0.25, 2: 0.75},
        members={"resnet50": {1: 0.2, 2: 0.8}, "densenet121": {1: 0.3, 2: 0.7}},
        heatmaps=(Heatmap(1, "Grad-CAM", values), Heatmap(2, "Grad-CAM", 1 - values)),
        remarks=("without a lung mask",),
        device="cuda:0 Some GPU",
        parameters=31_000_000,
        doubtful=True,
        rounded=True,
        lacking=("heat maps of the others",),
    )
    save_classification(tmp_path / "file", answer)
    back = load_classification(tmp_path / "file")
    assert (back.probabilities, back.members, back.remarks) == (answer.probabilities, answer.members, answer.remarks)
    assert (back.device, back.parameters) == ("cuda:0 Some GPU", 31_000_000)
    assert back.doubtful and back.rounded
    assert back.lacking == answer.lacking
    assert [(each.number, each.method) for each in back.heatmaps] == [(1, "Grad-CAM"), (2, "Grad-CAM")]
    assert np.array_equal(back.heatmaps[1].values, 1 - values)
