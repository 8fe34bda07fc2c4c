"""What a network of one fixed size sees of a study, and that its labels come back on the study's own voxels."""

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ainode_models.demo.grid import Orientation
from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.dice import dice
from ainode_models.errors import PackageError, RuntimeUnavailable, SeriesMismatchError
from ainode_models.keras.normalise import NORMALISATIONS
from ainode_models.keras.runtime import KerasRuntime, _Loaded
from ainode_models.keras.view import turn_to
from ainode_models.keras.windows import covered
from ainode_models.lattice import Axis
from ainode_models.orientation import to_canonical
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume
from peers.keras_package import keras_package, settings_of

Floats = NDArray[np.float32]
ALL_AXES = [
    "".join(pair[bit] for pair, bit in zip(lines, bits, strict=True))
    for lines in permutations(("SI", "PA", "LR"))
    for bits in product((0, 1), repeat=3)
]


class Echo:
    """Takes its one channel for labels, and is certain of them where they are whole."""

    place = "cpu"

    def __init__(self, patch: tuple[int, int, int]) -> None:
        self.patch = patch
        self.seen: list[Floats] = []

    def probabilities(self, patch: Floats) -> Floats:
        """Shares of the labels 0 to 3."""
        assert patch.shape == (1, *self.patch)
        self.seen.append(patch)
        shares: Floats = np.maximum(0, 1 - np.abs(patch - np.arange(4).reshape(4, 1, 1, 1))).astype(np.float32)
        return shares


def runtime_of(package: ModelPackage, net: Echo) -> KerasRuntime:
    """The runtime with a network that needs no TensorFlow."""
    runtime = KerasRuntime()
    runtime._loaded = _Loaded(package.manifest, settings_of(package), net)  # type: ignore[arg-type]
    return runtime


def echo(folder: Path, volume: Volume, patch: tuple[int, int, int], settings: str) -> tuple[Prediction, list[Floats]]:
    """What comes back of ``volume``, whose voxels are labels, and what the network saw of it."""
    lines = f'patch = {list(patch)}\nnormalise = "none"\n{settings}'
    net = Echo(patch)
    return runtime_of(keras_package(folder, None, lines, channels=1), net).predict({"C0": volume}), net.seen


def truth(orientation: Orientation, **grid: object) -> Volume:
    """The labels of an oblique phantom as a volume."""
    phantom = brain_tumour_phantom(
        np.random.default_rng(12),
        orientation=orientation,
        oblique_degrees=11,
        tumours=2,
        **grid,  # type: ignore[arg-type]
    )
    volume = phantom.volumes["T1"]
    return Volume(phantom.labels, volume.affine, volume.frame_of_reference_uid)


@pytest.mark.parametrize("orientation", ["axial", "sagittal", "coronal"])
@pytest.mark.parametrize("patch", [(40, 36, 44), (12, 10, 14)], ids=["one patch", "windows"])
def test_labels_come_back_exactly_on_every_voxel(
    tmp_path: Path, orientation: Orientation, patch: tuple[int, int, int]
) -> None:
    volume = truth(orientation, spacing=(4.0, 3.1, 2.9))
    prediction, seen = echo(tmp_path / "package", volume, patch, 'axes = "RAS"')
    assert (len(seen) == 1) == (patch == (40, 36, 44))
    np.testing.assert_array_equal(prediction.label_map, volume.array)
    assert prediction.confidence == pytest.approx({1: 1.0, 2: 1.0, 3: 1.0})


def test_points_twice_as_dense_as_the_voxels_give_the_voxels_back(tmp_path: Path) -> None:
    volume = truth("coronal", spacing=(4.0, 3.0, 3.0))
    prediction, _ = echo(tmp_path / "package", volume, (64, 64, 64), "spacing = [1.5, 2.0, 1.5]")
    assert (prediction.label_map == volume.array).mean() > 0.995


@pytest.mark.parametrize("settings", ["spacing = [2.0, 2.0, 2.0]", 'fit = "resize"'])
@pytest.mark.parametrize("orientation", ["axial", "sagittal"])
def test_other_points_than_voxels_give_the_labels_back_in_their_places(
    tmp_path: Path, settings: str, orientation: Orientation
) -> None:
    """One half of the body is empty: a shift by half a voxel or a mirrored axis would show in the Dice."""
    volume = truth(orientation, spacing=(3.0, 1.5, 1.5))
    solid = Volume((volume.array > 0).astype(np.uint8), volume.affine, "1.2")
    prediction, _ = echo(tmp_path / "package", solid, (48, 48, 48), settings)
    assert dice(prediction.label_map == 1, solid.array == 1) > 0.97
    centres = [np.argwhere(each == 1).mean(axis=0) for each in (prediction.label_map, solid.array)]
    assert np.abs(centres[0] - centres[1]).max() < 0.1


def test_the_patch_lies_in_the_middle_of_what_is_not_zero(tmp_path: Path) -> None:
    array = np.zeros((40, 50, 60), dtype=np.float32)
    array[20:31, 5:16, 40:51] = 1
    _, seen = echo(tmp_path / "package", Volume(array, np.eye(4)[[2, 1, 0, 3]], "1.2"), (15, 15, 15), "")
    (patch,) = seen
    expected = np.zeros((1, 15, 15, 15), dtype=np.float32)
    expected[0, 2:13, 2:13, 2:13] = 1
    np.testing.assert_array_equal(patch, expected)


def test_voxels_are_seen_by_their_place_in_the_patient_for_all_axes() -> None:
    """A value that grows towards the left, the back and the head grows along, or against, the axes that are named."""
    volume = truth("sagittal", spacing=(9.0, 9.0, 9.0))
    index = np.indices(volume.array.shape).reshape(3, -1)
    places = (volume.affine[:3, :3] @ index).reshape(3, *volume.array.shape)
    canonical = [to_canonical(Volume(place, volume.affine, "1.2"))[0].array for place in places]
    for axes in ALL_AXES:
        turn = turn_to(axes)
        for axis, letter in enumerate(axes):
            place = turn.apply(canonical[next(n for n, line in enumerate(("LR", "PA", "SI")) if letter in line)])
            assert (np.diff(place, axis=axis).mean() > 0) == (letter in "LPS"), axes
        np.testing.assert_array_equal(turn.undo(turn.apply(canonical[0])), canonical[0])


@pytest.mark.parametrize("step", [0.37, 1.0, 2.6])
def test_a_slope_is_sampled_and_spread_as_itself(step: float) -> None:
    """Linear both ways: away from the ends a line stays that line, to hundredths of a voxel if averaged."""
    near = 1e-4 if step <= 1 else 0.05
    axis = Axis.centred(0, 40, step=step, least=4)
    slope = np.arange(40, dtype=np.float32)[:, None]
    points = axis.sampling(40) @ slope
    at = axis.start + axis.step * np.arange(axis.points)
    inner = (at > 3) & (at < 36)
    np.testing.assert_allclose(points[inner, 0], at[inner], atol=near)
    voxels = axis.covered(40)
    np.testing.assert_array_equal(voxels, np.arange(40))
    back = axis.spreading(voxels) @ points
    np.testing.assert_allclose(back[8:32], slope[8:32], atol=near)


def test_windows_reach_every_point_and_average_to_what_they_agree_on() -> None:
    image = np.random.default_rng(3).random((2, 33, 16, 41), dtype=np.float32)
    seen: list[Floats] = []

    def same(patch: Floats) -> Floats:
        seen.append(patch)
        return patch

    np.testing.assert_allclose(covered(image, (16, 16, 16), same), image, atol=1e-5)
    assert {patch.shape for patch in seen} == {(2, 16, 16, 16)}
    assert len(seen) == 4 * 1 * 5


def test_normalisations_are_what_their_names_say() -> None:
    channel = np.zeros((4, 6, 8), dtype=np.float32)
    channel[1:3] = np.random.default_rng(1).uniform(50, 90, size=(2, 6, 8))
    inside = channel != 0
    brain = NORMALISATIONS["zscore-nonzero"](channel)
    assert not brain[~inside].any()
    assert (brain[inside].mean(), brain[inside].std()) == pytest.approx((0, 1), abs=1e-5)
    whole = NORMALISATIONS["zscore"](channel)
    assert (whole.mean(), whole.std()) == pytest.approx((0, 1), abs=1e-5)
    ranged = NORMALISATIONS["minmax"](channel)
    assert (ranged.min(), ranged.max()) == (0, 1)
    np.testing.assert_array_equal(NORMALISATIONS["none"](channel), channel)
    assert all(np.isfinite(each(np.full((2, 2, 2), 7, np.float32))).all() for each in NORMALISATIONS.values())


def test_numbers_that_are_none_count_as_nothing_and_an_empty_study_is_background(tmp_path: Path) -> None:
    array = np.full((6, 7, 8), np.nan, dtype=np.float32)
    prediction, (patch,) = echo(tmp_path / "package", Volume(array, np.eye(4), "1.2"), (16, 16, 16), "")
    assert not patch.any()
    assert not prediction.label_map.any()
    assert prediction.label_map.shape == array.shape
    assert prediction.confidence == {}


def test_inputs_that_are_missing_or_on_another_grid_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="no model is loaded"):
        KerasRuntime().predict({})
    package = keras_package(tmp_path / "package", None, 'patch = [8, 8, 8]\nnormalise = "none"')
    runtime = runtime_of(package, Echo((8, 8, 8)))
    volume = Volume(np.zeros((4, 5, 6), dtype=np.float32), np.eye(4), "1.2")
    shifted = Volume(volume.array, np.diag([1.0, 1.0, 2.0, 1.0]), "1.2")
    with pytest.raises(SeriesMismatchError, match="needs C0, C1; missing: C1"):
        runtime.predict({"C0": volume})
    with pytest.raises(SeriesMismatchError, match="C1 is not on the grid of C0"):
        runtime.predict({"C0": volume, "C1": shifted})
    runtime.unload()
    with pytest.raises(RuntimeUnavailable, match="no model is loaded"):
        runtime.predict({"C0": volume, "C1": volume})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("channels_last", "channels_first", r"keras\.layout: must be .*channels_last"),
        ("[8, 8, 8]", "[8, 8]", r"keras\.patch: must be three whole numbers above 0"),
        ("[8, 8, 8]", "[8, 8, 0]", r"keras\.patch: must be three whole numbers above 0"),
        ("[8, 8, 8]", "8", r"keras\.patch: must be a list"),
        ('"none"', '"tanh"', r"keras\.normalise: must be one of zscore-nonzero, zscore, minmax, none"),
        ('"none"', '"none"\nfit = "crop"', r"keras\.fit: must be one of windows, resize"),
        ('"none"', '"none"\nfit = "resize"\nspacing = [1, 1, 1]', r"keras\.spacing: cannot be kept with fit"),
        ('"none"', '"none"\nspacing = [1, -1, 1]', r"keras\.spacing: must be three numbers of mm above 0"),
        ('"none"', '"none"\naxes = "LRS"', r"keras\.axes: must name each direction of the body once"),
        ('"none"', '"none"\nvalues = [0, 1, 2, 4]', r"keras\.values: must be 0 .*\[1, 2, 3\], each once"),
        (
            '"none"',
            '"none"\ncustom_layers = ["Lambda"]',
            r"keras\.custom_layers: Lambda: not known; there are: Attention",
        ),
        ('"none"', '"none"\npadding = 1', r"keras\.padding: unknown; remove it"),
        ('file = "net.h5"', 'file = "net.pkl"', r"keras\.file: must be a file that ends with \.keras or \.h5"),
        ('file = "net.h5"', 'file = "other.h5"', r"keras\.file: other\.h5 is not listed in \[\[weights\]\]"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    package = keras_package(tmp_path / "package", None, 'patch = [8, 8, 8]\nnormalise = "none"')
    manifest = package.folder / "model.toml"
    head, table = manifest.read_text().split("[keras]")
    assert old in table
    manifest.write_text(f"{head}[keras]{table.replace(old, new)}")
    with pytest.raises(PackageError, match=message):
        settings_of(ModelPackage.open(package.folder))
