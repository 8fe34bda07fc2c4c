"""Profiles of a package: what they change, what is written of them, and which are refused."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import openvino
import pytest
from typer.testing import CliRunner

from ainode.cli import app
from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.errors import PackageError
from ainode_models.nnunet.conversion import converted
from ainode_models.nnunet.head import exact_head, head_of
from ainode_models.nnunet.members import members_of
from ainode_models.openvino_network import OpenVinoNetwork, computes_bf16
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.profile import Profile
from ainode_models.profiling import LEAST_DICE, add_profile
from ainode_models.registry import Registry
from ainode_models.runtime import runtime_for
from ainode_models.volume import Volume
from peers.nnunet_results import one, package_of, small_volume, write_result
from peers.packages import copy_demo, edit

DEMO = Path(__file__).parent.parent / "models" / "brain-tumour-demo"
FAST = '\n[profile.fast]\nprecision = "bf16"\nmirroring = false\nstep_size = 0.75\ncases = 7\ndice = { Head = 0.97 }\n'


def tumour(seed: int) -> Mapping[str, Volume]:
    """A head on few voxels, with all three labels."""
    rng = np.random.default_rng(seed)
    return brain_tumour_phantom(rng, shape=(40, 48, 52), spacing=(3.6, 3.6, 3.6)).volumes


def answer(package: ModelPackage, case: Mapping[str, Volume]) -> Prediction:
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    return runtime.predict(case)


def dice(first: Prediction, second: Prediction, value: int) -> float:
    one, other = first.label_map == value, second.label_map == value
    assert other.any()
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = copy_demo("t1-head-demo", tmp_path / "package")
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().partition("[profile.")[0])
    return folder


def append(folder: Path, text: str) -> None:
    with (folder / "model.toml").open("a") as manifest:
        manifest.write(text)


def test_a_package_is_run_as_trained_unless_a_profile_is_named(package: Path) -> None:
    append(package, FAST)
    opened = ModelPackage.open(package)
    assert opened.profile == Profile()
    assert (opened.reference, opened.by("fast").reference) == ("t1-head-demo@1.0.0", "t1-head-demo@1.0.0+fast")
    (folder,) = (each.by(opened.by("fast").profile) for each in members_of(opened))
    assert (folder.mirroring, folder.step_size) == (False, 0.75)
    with pytest.raises(PackageError, match="has no profile 'quick'; there are: exact, fast"):
        opened.by("quick")


def test_results_of_a_profile_name_it_and_come_from_another_device(package: Path) -> None:
    append(package, FAST)
    fast = ModelPackage.open(package).by("fast")
    exact, other = ModelPackage.open(package).algorithm(), fast.algorithm()
    assert (exact.version, other.version) == ("1.0.0", "1.0.0+fast")
    assert exact.device_uid != other.device_uid
    assert exact.weights_sha256 == other.weights_sha256
    said = fast.profile.said("bf16")
    assert said == (
        "Computed by the profile fast (bf16, not mirrored, 0.75 of a window from one to the next). "
        "Dice against the network as trained, over 7 cases: Head 0.9700."
    )


def test_the_registry_knows_versions_with_their_profiles(tmp_path: Path, package: Path) -> None:
    append(package, FAST)
    registry = Registry(tmp_path)
    for reference in ("t1-head-demo+fast", "t1-head-demo@1.0.0+fast"):
        assert registry.current(reference).reference == "t1-head-demo@1.0.0+fast"
        assert registry.get(reference).profile.name == "fast"
    with pytest.raises(PackageError, match="there are: exact, fast"):
        registry.current("t1-head-demo+int8")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('precision = "bf16"', 'precision = "fp8"', r"profile.fast.precision: must be one of fp32, bf16, int8"),
        ("step_size = 0.75", "step_size = 1.5", r"profile.fast.step_size: must be above 0 and at most 1"),
        ("[profile.fast]", "[profile.Fast]", r"profile.Fast: must be named with lower-case letters"),
        ("cases = 7\n", "", r"profile.fast.cases: missing"),
    ],
)
def test_a_bad_profile_is_refused_with_its_place(package: Path, old: str, new: str, told: str) -> None:
    append(package, FAST)
    edit(package, old, new)
    with pytest.raises(PackageError, match=told):
        ModelPackage.open(package)


def test_the_exact_profile_in_bf16_gives_the_labels_of_fp32(tmp_path: Path) -> None:
    if not computes_bf16():
        pytest.skip("this CPU does not compute bf16")
    folder = copy_demo("brain-tumour-demo", tmp_path / "package")
    measured = add_profile(folder, "exact", [tumour(20)])
    assert min(measured.profile.dice.values()) >= LEAST_DICE["exact"] == 0.998
    assert max(measured.volume_error.values()) <= 0.005
    assert measured.profile.cases == 2
    exact = ModelPackage.open(folder)
    assert exact.profile == measured.profile
    assert exact.reference == "brain-tumour-demo@1.0.0"
    case = tumour(21)
    found, as_trained = answer(exact, case), answer(replace(exact, profile=Profile()), case)
    assert min(dice(found, as_trained, value) for value in (1, 2, 3)) >= 0.998
    assert found.remarks[0].startswith("Computed by the profile exact (bf16). Dice against the network as trained")
    assert as_trained.remarks == ()


def test_a_package_gets_a_profile_in_int8_that_was_made_and_measured_on_different_cases(tmp_path: Path) -> None:
    folder = copy_demo("brain-tumour-demo", tmp_path / "package")
    measured = add_profile(folder, "int8", [tumour(seed) for seed in (20, 21, 22)])
    assert measured.profile.cases == 2
    assert 1 > min(measured.profile.dice.values()) >= LEAST_DICE["int8"] == 0.99
    quantised = ModelPackage.open(folder).by("int8")
    case = tumour(23)
    found, as_trained = answer(quantised, case), answer(ModelPackage.open(folder), case)
    assert not np.array_equal(found.label_map, as_trained.label_map)
    assert min(dice(found, as_trained, value) for value in (1, 2, 3)) > 0.97
    assert "by the profile int8 (int8)" in found.remarks[0]
    sums = {str(each.path) for each in quantised.manifest.weights}
    assert {"nnunet/int8/fold0.bin", "nnunet/int8/fold0.xml", "nnunet/int8/network.json"} < sums
    with pytest.raises(PackageError, match=r"has a profile int8 already; remove \[profile.int8\]"):
        add_profile(folder, "int8", [])
    (folder / "nnunet" / "int8" / "fold0.bin").write_bytes(b"other")
    with pytest.raises(PackageError, match=r"int8/fold0.bin: SHA-256 is"):
        answer(quantised, case)


def test_a_profile_that_is_too_far_from_the_network_as_trained_is_refused(tmp_path: Path) -> None:
    write_result(tmp_path / "net", "3d_fullres")  # weights by chance: labels differ by next to nothing
    package = package_of(tmp_path, one("net"))
    before = (tmp_path / "model.toml").read_text()
    with pytest.raises(PackageError, match=r"the profile int8 gives \w+ a Dice of 0\.\d+ .* at least 0.99 is asked"):
        add_profile(tmp_path, "int8", [{"T1": small_volume()}])
    assert (tmp_path / "model.toml").read_text() == before
    assert not any((tmp_path / "net" / "int8").glob("*"))
    assert package == ModelPackage.open(tmp_path)


def test_labels_that_occur_in_no_case_leave_a_profile_unmeasured(tmp_path: Path) -> None:
    folder = copy_demo("brain-tumour-demo", tmp_path / "package")
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().partition("# What ainode models check runs")[0])
    with pytest.raises(PackageError, match="brings no sample; give cases to measure on"):
        add_profile(folder, "fast", [])
    healthy = brain_tumour_phantom(np.random.default_rng(4), shape=(40, 48, 52), spacing=(3.6, 3.6, 3.6), tumours=0)
    with pytest.raises(PackageError, match="Necrosis is found in none of the 1 cases; give some that have it"):
        add_profile(folder, "fast", [healthy.volumes])


def test_the_command_measures_on_cases_in_nifti_and_says_how_rules_name_the_profile(
    tmp_path: Path, package: Path
) -> None:
    (tmp_path / "cases" / "first").mkdir(parents=True)
    with np.load(package / "sample" / "T1.npz") as stored:
        array, affine = stored["array"], stored["affine"]
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(array.transpose(2, 1, 0), ras)  # type: ignore[no-untyped-call]
    nibabel.save(image, tmp_path / "cases" / "first" / "T1.nii.gz")
    asked = ["models", "profile", str(package), "fast", "--cases", str(tmp_path / "cases")]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert 'rules name it so: model = "t1-head-demo@1.0.0+fast"' in done.output
    assert "fast against the network as trained, 2 cases" in done.output
    assert ModelPackage.open(package).by("fast").profile.cases == 2


def test_the_head_gives_the_same_scores_as_a_transposed_convolution() -> None:
    (folder,) = members_of(ModelPackage.open(DEMO))
    found = converted(folder)
    assert found
    model = openvino.Core().read_model(found.folds[0])
    assert head_of(model).get_type_name() == "ConvolutionBackpropData"
    again = model.clone()
    exact_head(again)
    windows = np.random.default_rng(3).normal(size=(1, 4, 48, 48, 48)).astype(np.float32)
    np.testing.assert_array_equal(OpenVinoNetwork(again)(windows), OpenVinoNetwork(model)(windows))
