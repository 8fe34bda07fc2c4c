"""Networks of TensorFlow say what plain Keras says, by OpenVINO and without it; code in their files does not run."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from ainode.run.volume_file import load_prediction, save_volumes
from ainode.run.workers import ModelWorkers
from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.dice import dice
from ainode_models.errors import ModelError, PackageError
from ainode_models.keras.runtime import KerasRuntime
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.sample_files import sample_volumes
from ainode_models.volume import Volume
from peers.keras_package import keras_package
from peers.shared_data import ROOT

DEMO = ModelPackage.open(ROOT / "models" / "brain-tumour-keras-demo")
LAYERS = 'custom_layers = ["InstanceNormalization", "AttentionGate"]'
SETTINGS = f'patch = [16, 16, 16]\nnormalise = "none"\n{LAYERS}'


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What plain Keras saved and answered (`peers.plain_keras`)."""
    folder = tmp_path_factory.mktemp("plain-keras")
    script = ROOT / "tests" / "peers" / "plain_keras.py"
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def worker() -> Iterator[ModelWorkers]:
    worker = ModelWorkers(device="cpu", timeout=240)
    yield worker
    worker.stop()


@pytest.fixture
def tensorflow() -> ModuleType:
    """Imported, so that networks are converted in this process: importing it anew for each takes seconds."""
    return import_module("tensorflow")


def ask(package: ModelPackage, volumes: dict[str, Volume]) -> Prediction:
    runtime = KerasRuntime()
    runtime.load(package, "cpu")
    return runtime.predict(volumes)


def ask_apart(worker: ModelWorkers, package: ModelPackage, volumes: dict[str, Volume], folder: Path) -> Prediction:
    """What the package says in the model's process."""
    save_volumes(folder / "inputs.npz", volumes)
    worker.predict(package, folder / "inputs.npz", folder / "output.npz")
    return load_prediction(folder / "output.npz")


def as_volumes(image: NDArray[np.float32], affine: NDArray[np.float64]) -> dict[str, Volume]:
    """The channels of plain Keras's image ``(depth, height, width, channels)``."""
    return {f"C{n}": Volume(np.ascontiguousarray(image[..., n]), affine, "1.2") for n in range(image.shape[-1])}


def confidence_of(answer: NDArray[np.float32], values: tuple[int, ...]) -> dict[int, float]:
    """Mean probability of every class but the background, over the voxels where it is the likeliest."""
    best = answer.argmax(-1)
    found = [n for n in range(answer.shape[-1]) if values[n] and (best == n).any()]
    return {values[n]: float(answer[..., n][best == n].mean()) for n in found}


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", ["net.h5", "net.keras", "keras-2.h5"])
def test_the_answer_is_that_of_plain_keras(plain: Path, tmp_path: Path, name: str) -> None:
    """``values`` names the channels as BraTS did: 4 for the last, and here the background in the second."""
    values = (2, 0, 1, 4)
    settings = f"{SETTINGS}\nvalues = {list(values)}"
    package = keras_package(tmp_path / "package", plain / name, settings, labels=(1, 2, 4))
    image, answer = np.load(plain / "image.npy"), np.load(plain / "answer.npy")
    canonical = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    prediction = ask(package, as_volumes(image, canonical))
    expected = np.array(values)[answer.argmax(-1)]
    assert len(np.unique(expected)) > 2
    np.testing.assert_array_equal(prediction.label_map, expected)
    assert prediction.confidence == pytest.approx(confidence_of(answer, values), abs=1e-6)


@pytest.mark.usefixtures("tensorflow")
def test_an_array_as_nibabel_reads_it_goes_in_along_its_own_axes(plain: Path, tmp_path: Path) -> None:
    """The image of plain Keras is taken as ``(x, y, z)`` of an LPS file, which DICOM stores as slices of z."""
    package = keras_package(tmp_path / "package", plain / "net.h5", f'{SETTINGS}\naxes = "LPS"')
    image, answer = np.load(plain / "image.npy"), np.load(plain / "answer.npy")
    slices = image.transpose(2, 1, 0, 3)
    prediction = ask(package, as_volumes(slices, np.eye(4)[[2, 1, 0, 3]]))
    np.testing.assert_array_equal(prediction.label_map, answer.argmax(-1).transpose(2, 1, 0))


def test_the_demonstration_finds_the_tumour_of_a_phantom_that_it_has_not_seen(
    worker: ModelWorkers, tmp_path: Path
) -> None:
    phantom = brain_tumour_phantom(
        np.random.default_rng(1 << 33), orientation="coronal", spacing=(2.5, 1.6, 1.7), oblique_degrees=8
    )
    prediction = ask_apart(worker, DEMO, dict(phantom.volumes), tmp_path)
    scores = {value: dice(prediction.label_map == value, phantom.labels == value) for value in (1, 2, 3)}
    assert min(scores.values()) > 0.75, scores
    assert all(0.5 < value <= 1 for value in prediction.confidence.values())


def both(package: ModelPackage, monkeypatch: pytest.MonkeyPatch, cache: Path) -> tuple[Prediction, Prediction]:
    """What OpenVINO and what TensorFlow says of the package's own sample."""
    assert package.manifest.sample
    volumes = sample_volumes(package, package.manifest.sample)
    said = ask(package, volumes)

    def refused(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("an operation that OpenVINO does not know")

    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(openvino, "convert_model", refused)
    return said, ask(package, volumes)


@pytest.mark.usefixtures("tensorflow")
def test_the_demonstration_says_by_openvino_what_it_says_by_tensorflow_which_runs_what_is_not_converted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours, tensorflows = both(DEMO, monkeypatch, tmp_path)
    file = DEMO.folder / "multi-scale-unet.h5"
    assert f"OpenVINO cannot convert {file}: TensorFlow runs it, slower" in caplog.messages
    assert np.mean(ours.label_map == tensorflows.label_map) >= 0.9999
    assert set(np.unique(ours.label_map)) == {0, 1, 2, 3}
    assert ours.confidence == pytest.approx(dict(tensorflows.confidence), abs=1e-5)
    assert ours.device == tensorflows.device == "cpu"


def test_what_was_converted_once_needs_no_tensorflow(worker: ModelWorkers, tmp_path: Path) -> None:
    assert DEMO.manifest.sample
    ask_apart(worker, DEMO, sample_volumes(DEMO, DEMO.manifest.sample), tmp_path)
    code = (
        "import sys; from pathlib import Path; from ainode_models.keras.runtime import KerasRuntime\n"
        "from ainode_models.package import ModelPackage\n"
        "runtime = KerasRuntime(); runtime.load(ModelPackage.open(Path(sys.argv[1])), 'cpu')\n"
        "print(runtime.parameters(), {'tensorflow', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(DEMO.folder)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "301320 set()", done.stdout + done.stderr


@pytest.mark.parametrize("name", ["lambda-plain.h5", "lambda-within.h5", "lambda-plain.keras", "lambda-within.keras"])
def test_code_in_a_file_is_refused_and_does_not_run(plain: Path, tmp_path: Path, name: str) -> None:
    """Plain Keras does run it: `peers.plain_keras` has seen it."""
    package = keras_package(tmp_path / "package", plain / name, SETTINGS)
    with pytest.raises(PackageError, match=r"holds 'Lambda'.* which could run code when it is loaded; refused"):
        KerasRuntime().load(package, "cpu")
    assert not (plain / "mark").exists()


def test_the_model_process_says_why_it_refuses_code(worker: ModelWorkers, plain: Path, tmp_path: Path) -> None:
    package = keras_package(tmp_path / "package", plain / "lambda-plain.h5", SETTINGS)
    image = np.load(plain / "image.npy")
    with pytest.raises(ModelError, match="could run code when it is loaded; refused"):
        ask_apart(worker, package, as_volumes(image, np.eye(4)), tmp_path)
    assert not (plain / "mark").exists()


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(
    ("settings", "labels", "channels", "message"),
    [
        (
            SETTINGS.replace("16]", "32]"),
            (1, 2, 3),
            2,
            r"input has the shape \(None, 16, 16, 16, 2\), but .*16, 32, 2\)",
        ),
        (SETTINGS, (1, 2, 3), 3, r"input has the shape .*asks for \(1, 16, 16, 16, 3\)"),
        (SETTINGS, (1, 2), 2, r"output has the shape .*asks for \(1, 16, 16, 16, 3\)"),
    ],
)
def test_a_network_of_another_shape_is_refused(
    plain: Path,
    tmp_path: Path,
    settings: str,
    labels: tuple[int, ...],
    channels: int,
    message: str,
) -> None:
    package = keras_package(tmp_path / "package", plain / "net.h5", settings, labels=labels, channels=channels)
    image = np.zeros((16, 16, 16, channels), dtype=np.float32)
    with pytest.raises(PackageError, match=message):
        ask(package, as_volumes(image, np.eye(4)))


@pytest.mark.usefixtures("tensorflow")
def test_a_damaged_network_is_refused(plain: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    shutil.copyfile(plain / "net.h5", damaged)
    cut = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); del f['model_weights/block']; f.close()"
    subprocess.run([sys.executable, "-c", cut, str(damaged)], check=True)
    package = keras_package(tmp_path / "package", damaged, SETTINGS)
    with pytest.raises(PackageError, match=r"cannot load it: .*save the network again"):
        ask(package, as_volumes(np.load(plain / "image.npy"), np.eye(4)))


def test_weights_without_a_network_are_refused(plain: Path, tmp_path: Path) -> None:
    package = keras_package(tmp_path / "package", plain / "only.weights.h5", SETTINGS)
    with pytest.raises(PackageError, match=r"weights without a network; save all of it with model\.save"):
        KerasRuntime().load(package, "cpu")


def test_an_archive_of_keras_2_is_refused_with_the_way_round(plain: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.keras"
    with zipfile.ZipFile(plain / "net.keras") as new, zipfile.ZipFile(old, "w") as archive:
        for name in ("config.json", "model.weights.h5"):
            archive.writestr(name, new.read(name))
        archive.writestr("metadata.json", '{"keras_version": "2.15.0"}')
    package = keras_package(tmp_path / "package", old, SETTINGS)
    with pytest.raises(PackageError, match=r"was saved by Keras 2\.15\.0; load it there and save it with .*\.h5"):
        KerasRuntime().load(package, "cpu")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x89HDF\r\n\x1a\n no HDF5"])
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"net.{suffix}"
    file.write_bytes(content)
    package = keras_package(tmp_path / "package", file, SETTINGS)
    with pytest.raises(PackageError, match=r"is no (HDF5 file|\.keras archive of Keras 3); copy the file"):
        KerasRuntime().load(package, "cpu")


def test_layers_that_are_not_declared_are_asked_for(plain: Path, tmp_path: Path) -> None:
    package = keras_package(tmp_path / "package", plain / "net.keras", SETTINGS.replace(LAYERS, ""))
    with pytest.raises(PackageError, match=r'declare it: \[keras\] custom_layers = \["InstanceNormalization"\]'):
        KerasRuntime().load(package, "cpu")


def test_tensorflow_is_imported_for_a_model_and_not_before() -> None:
    code = (
        "import ainode_models.runtime, ainode_models.keras.runtime, sys\n"
        "assert ainode_models.runtime.runtimes()['keras']().is_available() is None\n"
        "print({'tensorflow', 'keras', 'h5py', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr
