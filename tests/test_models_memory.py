"""What models do when memory lacks: less at a time, the CPU at last, and each is said in the answer."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from numpy.typing import NDArray

from ainode.run.model_process import LoadedModels
from ainode.run.volume_file import load_prediction, save_volumes
from ainode_models.memory import (
    ON_CPU,
    SMALLER_WINDOWS,
    SPILLED,
    lacks_gpu_memory,
    lacks_host_memory,
    lacks_memory,
)
from ainode_models.nnunet import network
from ainode_models.nnunet.engine import Engine
from ainode_models.nnunet.runtime import NnunetRuntime
from ainode_models.nnunet.windows import smaller_patches
from ainode_models.package import ModelPackage
from ainode_models.volume import Volume
from peers.nnunet_results import loaded, one, one_thread, package_of, plans_of, small_volume, write_result


def raised(error: type[Exception], call: Any, *arguments: Any) -> Exception:
    with pytest.raises(error) as info:
        call(*arguments)
    return info.value


@pytest.fixture(scope="module")
def on_gpu() -> list[Exception]:
    """What lack of a GPU's memory looks like."""
    errors = tf.errors
    return [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
        errors.ResourceExhaustedError(
            None, None, "OOM when allocating tensor with shape[1,32] on /job:localhost/device:GPU:0 by GPU_0_bfc"
        ),
        errors.InternalError(
            None, None, "Failed copying from /device:CPU:0 to /device:GPU:0: Dst tensor is not initialized."
        ),
    ]


@pytest.fixture(scope="module")
def on_host() -> list[Exception]:
    """What lack of the machine's memory is, as the libraries really raise it."""
    return [
        raised(MemoryError, np.empty, 1 << 62, np.uint8),
        raised(RuntimeError, torch.empty, 1 << 60),
        raised(tf.errors.ResourceExhaustedError, tf.zeros, (1 << 22, 1 << 22)),
    ]


def test_a_lack_of_memory_is_told_from_other_errors_and_the_gpu_from_the_machine(
    on_gpu: list[Exception], on_host: list[Exception]
) -> None:
    assert [(lacks_gpu_memory(error), lacks_host_memory(error)) for error in on_gpu] == [(True, False)] * len(on_gpu)
    assert [(lacks_gpu_memory(error), lacks_host_memory(error)) for error in on_host] == [(False, True)] * len(on_host)
    others = [RuntimeError("size mismatch"), ValueError("CUDA out of memory"), OSError("x"), KeyError("x")]
    others.append(tf.errors.InternalError(None, None, "the graph is broken"))
    assert not any(lacks_memory(error) for error in others)


def test_no_library_is_imported_to_look_at_an_error() -> None:
    code = (
        "import sys; from ainode_models.memory import lacks_memory; assert not lacks_memory(RuntimeError('x')); "
        "assert not {'torch', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with one_thread(monkeypatch):
        yield


@pytest.fixture
def volume() -> Volume:
    return small_volume()


class Shortage:
    """Lets a network raise an error for windows of more than ``most`` voxels."""

    def __init__(self, error: Exception, most: int) -> None:
        self.error = error
        self.most = most
        self.seen: list[tuple[int, ...]] = []
        """Shapes of the windows that came, each once."""

    def meet(self, windows: NDArray[np.float32]) -> None:
        """Before the network is asked."""
        shape = windows.shape[2:]
        if shape not in self.seen[-1:]:
            self.seen.append(shape)
        if np.prod(shape) > self.most:
            raise self.error


class ShortEngine:
    """A CPU's engine that runs into ``shortage``, and may pass for a GPU's."""

    def __init__(self, engine: Engine, shortage: Shortage, *, on_gpu: bool, fails_once: bool = False) -> None:
        self._engine, self._shortage, self._fails_once = engine, shortage, fails_once
        self.on_gpu = on_gpu

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, windows: NDArray[np.float32]) -> Any:
        """As the engine, unless memory lacks."""
        if self._fails_once and self._shortage.seen:
            return self._engine.run(windows)
        self._shortage.meet(windows)
        return self._engine.run(windows)


def short_of_memory(runtime: NnunetRuntime, shortage: Shortage, *, as_on_gpu: bool, fails_once: bool = False) -> None:
    """Have the only network of ``runtime`` run into ``shortage``, this machine's CPU being its GPU or not."""
    assert runtime._loaded
    sliding = runtime._loaded.networks[0].sliding
    sliding.engine = ShortEngine(sliding.engine, shortage, on_gpu=as_on_gpu, fails_once=fails_once)


def plans_with(patch: list[int], *, residual: bool = False) -> dict[str, Any]:
    plans = plans_of(residual=residual)
    for name in ("2d", "3d_fullres"):
        plans["configurations"][name]["patch_size"] = patch
    return plans


@pytest.mark.parametrize(
    ("configuration", "residual", "window"),
    [("3d_fullres", False, [8, 8, 16]), ("3d_fullres", True, [8, 8, 8]), ("2d", False, [8, 16]), ("2d", True, [8, 8])],
)
@pytest.mark.parametrize("as_on_gpu", [True, False])
def test_smaller_windows_give_the_answer_of_a_network_of_that_patch_and_it_says_so(
    tmp_path: Path,
    volume: Volume,
    on_gpu: list[Exception],
    on_host: list[Exception],
    configuration: str,
    residual: bool,
    window: list[int],
    as_on_gpu: bool,
) -> None:
    made = {}
    for name, patch in (("whole", [16] * len(window)), ("small", window)):
        plans = plans_with(patch, residual=residual)
        write_result(tmp_path / name / "net", configuration, folds=(0, 1), plans=plans)
        made[name] = loaded(package_of(tmp_path / name, one("net", folds="[0, 1]")))
    expected = made["small"].predict({"T1": volume})
    assert expected.remarks == ()
    whole = made["whole"].predict({"T1": volume})
    shortage = Shortage(on_gpu[0] if as_on_gpu else on_host[1], int(np.prod(window)))
    short_of_memory(made["whole"], shortage, as_on_gpu=as_on_gpu)
    prediction = made["whole"].predict({"T1": volume})
    assert shortage.seen[0] == (16,) * len(window)
    assert shortage.seen[-1] == tuple(window)
    assert prediction.remarks == ((SPILLED, SMALLER_WINDOWS) if as_on_gpu else (SMALLER_WINDOWS,))
    assert prediction.device == "cpu"
    assert np.array_equal(prediction.label_map, expected.label_map)
    assert dict(prediction.confidence) == dict(expected.confidence)
    assert not np.array_equal(prediction.label_map, whole.label_map)
    shortage.most = 16**3
    again = made["whole"].predict({"T1": volume})
    assert (again.remarks, again.label_map.tolist()) == ((), whole.label_map.tolist()), "memory may be there again"


def test_results_in_the_machines_memory_are_tried_first_and_change_nothing(
    tmp_path: Path, volume: Volume, on_gpu: list[Exception]
) -> None:
    write_result(tmp_path / "net", "3d_fullres")
    runtime = loaded(package_of(tmp_path, one("net")))
    expected = runtime.predict({"T1": volume})
    shortage = Shortage(on_gpu[0], 0)
    short_of_memory(runtime, shortage, as_on_gpu=True, fails_once=True)
    prediction = runtime.predict({"T1": volume})
    assert prediction.remarks == (SPILLED,)
    assert np.array_equal(prediction.label_map, expected.label_map)
    assert dict(prediction.confidence) == dict(expected.confidence)


def test_other_errors_are_raised_at_once(tmp_path: Path, volume: Volume) -> None:
    write_result(tmp_path / "net", "3d_fullres")
    runtime = loaded(package_of(tmp_path, one("net")))
    shortage = Shortage(RuntimeError("another error"), 0)
    short_of_memory(runtime, shortage, as_on_gpu=True)
    with pytest.raises(RuntimeError, match="another error"):
        runtime.predict({"T1": volume})
    assert shortage.seen == [(16, 16, 16)]


def test_what_no_window_makes_fit_goes_to_the_cpu_as_the_network_was_trained(
    tmp_path: Path, volume: Volume, on_gpu: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(tmp_path / "net", "3d_fullres")
    package = package_of(tmp_path, one("net"))
    expected = loaded(package).predict({"T1": volume})
    shortages: list[Shortage] = []
    load = network._engine

    def load_short(*arguments: Any) -> tuple[Engine, str]:
        """The first time with a GPU that has no room at all, then with a CPU."""
        engine, name = load(*arguments)
        if shortages:
            return engine, name
        shortages.append(Shortage(on_gpu[0], 0))
        return ShortEngine(engine, shortages[0], on_gpu=True), name

    monkeypatch.setattr(network, "_engine", load_short)
    save_volumes(tmp_path / "inputs.npz", {"T1": volume})
    said = asked(package, tmp_path, "auto")
    assert said == {"done": str(tmp_path / "answer.npz"), "gpu": {}, "seconds": said["seconds"]}
    prediction = load_prediction(tmp_path / "answer.npz")
    assert shortages[0].seen == [(16, 16, 16), (8, 16, 16), (8, 8, 16), (8, 8, 8)]
    assert (prediction.remarks, prediction.device) == ((ON_CPU,), "cpu")
    assert np.array_equal(prediction.label_map, expected.label_map)


def asked(package: ModelPackage, folder: Path, device: str) -> dict[str, Any]:
    """What the model's process answers."""
    request = {"package": str(package.folder), "weights": package.weights_sha256, "profile": "exact", "device": device}
    request |= {"inputs": str(folder / "inputs.npz"), "output": str(folder / "answer.npz")}
    return LoadedModels().answer(request)


def unet(*strides: list[int], name: str = "PlainConvUNet") -> dict[str, Any]:
    """The words of the plans for a network."""
    return {"network_class_name": f"architectures.unet.{name}", "arch_kwargs": {"strides": list(strides)}}


def test_windows_are_halved_along_their_longest_side_as_far_as_the_network_can_take_them() -> None:
    deep = unet([1, 1, 1], *[[2, 2, 2]] * 5)
    assert list(smaller_patches(deep, (128, 128, 128))) == [(64, 128, 128), (64, 64, 128), (64, 64, 64)]
    assert list(smaller_patches(deep, (96, 160, 160))) == [(96, 96, 160), (96, 96, 96), (64, 96, 96)]
    flat = unet([1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2])
    assert list(smaller_patches(flat, (20, 320, 256))) == [(20, 160, 256), (20, 160, 128), (12, 160, 128)]
    assert list(smaller_patches(deep, (32, 32, 64))) == [], "one voxel at the bottom has no deviation"
    assert list(smaller_patches(unet([1, 1, 1], [2, 2, 2], name="Primus"), (128, 128, 128))) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: it takes away its memory")
def test_a_gpu_that_really_lacks_memory_answers_with_smaller_windows_and_then_the_cpu_does(tmp_path: Path) -> None:
    plans = plans_of()
    settings = plans["configurations"]["3d_fullres"]
    settings["patch_size"] = [128, 128, 128]
    settings["architecture"]["arch_kwargs"]["features_per_stage"] = [16, 16]
    write_result(tmp_path / "net", "3d_fullres", plans=plans)
    package = package_of(tmp_path, one("net"))
    noise = np.random.default_rng(2).normal(size=(100, 110, 110)).astype(np.float32)
    affine = np.diag([3.0, 3.5, 3.5, 1.0])[[2, 1, 0, 3]]
    save_volumes(tmp_path / "inputs.npz", {"T1": Volume(noise, affine, "1.2")})
    least = 128**3 * (16 + 16 + 16) * 2
    """Bytes of fp16 that the last stage cannot do without: 32 maps go into its convolution, 16 come out."""
    said = []
    for bytes_left in (torch.cuda.mem_get_info()[1], int(0.95 * least), 16 << 20):
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(bytes_left / torch.cuda.mem_get_info()[1])
        try:
            answer = asked(package, tmp_path, "cuda")
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert "error" not in answer, answer
        prediction = load_prediction(tmp_path / "answer.npz")
        said.append(
            (prediction.device.partition(" ")[0], SMALLER_WINDOWS in prediction.remarks, prediction.remarks[-1:])
        )
    assert said == [
        ("cuda:0", False, ()),
        ("cuda:0", True, (SMALLER_WINDOWS,)),
        ("cpu", False, (ON_CPU,)),
    ]
