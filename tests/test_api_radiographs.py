"""Radiographs by REST: what a classifier gets of PNG, JPEG and DICOM, and what clients get of its answer."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagecodecs import png_decode
from numpy.typing import NDArray
from PIL import Image

from ainode.run.image_file import load_radiographs, save_classification
from ainode_models.findings import Heatmap
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification
from ainode_models.radiograph import Radiograph
from peers.api_node import ApiNode, api_node
from peers.shared_data import shared_data

PROBABILITIES = {1: 0.125, 2: 0.5, 3: 0.25, 4: 0.125}
NAMES = ["COVID-19", "Lung opacity", "Normal", "Viral pneumonia"]


class Recorder:
    """Keeps what it is given and answers always the same: the interface is tried here, not the nets."""

    def __init__(self) -> None:
        self.given: list[Radiograph] = []

    def predict(self, package: ModelPackage, inputs: Path, output: Path, *, explain: str | None = None) -> None:  # noqa: D102 - as a worker
        (image,) = load_radiographs(inputs).values()
        self.given.append(image)
        maps = [Heatmap(number, "Grad-CAM", image.pixels) for number in PROBABILITIES] if explain == "gradcam" else []
        members = {"one": {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}, "two": {1: 0.0, 2: 0.75, 3: 0.25, 4: 0.0}}
        save_classification(output, Classification(PROBABILITIES, members, tuple(maps), ("Without a lung mask.",)))


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[ApiNode]:
    with api_node(tmp_path_factory.mktemp("rest"), recorder) as node:
        yield node


@pytest.fixture(autouse=True)
def sound_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are none of this test's business."""
    monkeypatch.setattr(ModelPackage, "verify", lambda _package: None)


def picture(kind: str, mode: str, *, seed: int = 1) -> bytes:
    levels = np.linspace(0, 255, 48 * 40).reshape(48, 40) + np.random.default_rng(seed).integers(0, 9, (48, 40))
    image = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    (Image.fromarray(np.asarray(image).astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)).save(
        file, kind
    )
    return file.getvalue()


def answered(node: ApiNode, content: bytes, path: str = "/predict/chest-xray-demo") -> Any:
    answer = node.http.post(node.url + path, files={"file": content})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "L"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "I;16"),
        ("JPEG", "L"),
        ("JPEG", "RGB"),
    ],
)
def test_pictures_reach_the_model_in_greys_from_0_to_1(node: ApiNode, recorder: Recorder, kind: str, mode: str) -> None:
    content = picture(kind, mode, seed=len(kind) * len(mode))
    answered(node, content)
    expected: NDArray[Any] = (
        np.asarray(Image.open(io.BytesIO(picture("PNG", "L", seed=len(kind) * len(mode)))), float) / 255
    )
    got = recorder.given[-1].pixels
    assert got.shape == (48, 40)
    assert got.dtype == np.dtype(np.float32)
    assert np.abs(got - expected).max() < (0.06 if kind == "JPEG" or mode == "P" else 0.005)


def test_the_answer_has_the_probabilities_of_the_ensemble_and_of_each_net(node: ApiNode) -> None:
    answer = answered(node, picture("PNG", "L", seed=77))
    assert answer["predictions"] == dict(zip(NAMES, PROBABILITIES.values(), strict=True))
    assert (answer["predicted_class"], answer["confidence"], answer["margin_top2"]) == ("Lung opacity", 0.5, 0.25)
    assert answer["model_disagreement"] == pytest.approx(np.mean([0.125, 0.25, 0, 0.125]))
    assert answer["members"]["two"]["Lung opacity"] == 0.75
    assert [detail["decision"] for detail in answer["class_details"]] == ["absent", "uncertain", "absent", "absent"]
    assert "Without a lung mask." in answer["remarks"]
    assert (answer["links"]["mask"], answer["links"]["overlay"], answer["explanation"]) == (None, None, None)
    assert "Not for diagnostic use" in answer["disclaimer"]


@pytest.mark.parametrize("path", ["/explain/gradcam/chest-xray-demo", "/explain/gradcam?model=chest-xray-demo"])
def test_an_explanation_has_a_picture_for_each_class(node: ApiNode, path: str) -> None:
    answer = answered(node, picture("PNG", "L", seed=78), path)
    assert (answer["explanation"], list(answer["links"]["overlays"])) == ("gradcam", NAMES)
    best = node.http.get(answer["links"]["overlay"])
    assert (best.status_code, best.headers["content-type"]) == (200, "image/png")
    assert node.http.get(answer["links"]["overlays"]["Lung opacity"]).content == best.content
    shown = png_decode(best.content)
    assert shown.shape[2] == 3
    assert np.ptp(shown.astype(int), axis=2).max() > 50  # the heat map is in colour


@pytest.mark.parametrize("name", ["dx-cptac.dcm", "dx-monochrome1-j2k.dcm"])
def test_a_real_radiograph_reaches_the_model_the_right_way_round(node: ApiNode, recorder: Recorder, name: str) -> None:
    answered(node, (shared_data("chest-xray") / name).read_bytes())
    image = recorder.given[-1]
    assert image.modality in ("DX", "CR")
    rows, columns = image.pixels.shape
    middle = image.pixels[:, columns // 2 - columns // 20 : columns // 2 + columns // 20].mean()
    sides = image.pixels[rows // 4 : rows // 2, columns // 4 : columns // 3].mean()
    assert middle > sides  # the spine is brighter than a lung


def test_bombs_and_damaged_pictures_are_refused(node: ApiNode) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    jpeg = bytearray(picture("JPEG", "L"))
    place = jpeg.index(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    for content, word in [
        (start, "100000 x 100000"),
        (bytes(jpeg), "65535 x 65535"),
        (picture("PNG", "L")[:-100], "damaged"),
        (picture("JPEG", "L")[:20], "damaged"),
        (b"\xff\xd8\xff\xff\xff", "damaged"),
    ]:
        answer = node.http.post(f"{node.url}/predict/chest-xray-demo", files={"image": content})
        assert (answer.status_code, word in answer.json()["detail"]) == (422, True), answer.text
    two = [("image", picture("PNG", "L")), ("image", picture("PNG", "L", seed=3))]
    assert node.http.post(f"{node.url}/predict/chest-xray-demo", files=two).status_code == 400
    assert node.http.post(f"{node.url}/predict/chest-xray-demo/batch", files=two).json()["status"] == "success"
    assert node.files() == []
