"""A rule's choice of one volume of a series: how it is written, what it picks, and what it says when it cannot."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from ainode.cli.rules import app
from ainode.route.router import Routing, route
from ainode.route.rules import load_rules
from ainode.route.volume_choice import choice_of
from ainode.study import Series, Study, read_study_folder
from ainode.volume.builder import build_volume
from ainode_models.errors import GeometryError, RulesError
from peers import dcm2niix
from peers.shared_data import ROOT, shared_data
from peers.tiny_series import write_series

RULE = "[[rule]]\nname = 'r'\nmodel = 'm'\n[rule.input.A]\nModality = 'MR'\n"
PRIVATE = "(0019,0C,ACME)"

REAL: Mapping[str, tuple[str, str, int, Mapping[str, Any]]] = {
    "third time point by its number": (
        "mr-series/ge-mr_0007/*.dcm",
        "mr-series/reference-dcm2niix/DCM2NIIX_regression_test_7.nii",
        2,
        {"number": 3},
    ),
    "second acquisition of mosaics": (
        "mr-series/siemens-mr_0003/*.dcm",
        "mr-series/reference-dcm2niix/EPI_PE=AP_3.nii",
        1,
        {"AcquisitionNumber": 2},
    ),
    "time point of Enhanced MR": (
        "enhanced-mr/6_*.dcm",
        "enhanced-mr/Siemens_REST1_w_SMS_PF7-8_6.nii",
        3,
        {"TemporalPositionIndex": {"min": 4}},
    ),
}


def files(pattern: str) -> list[Path]:
    folder, _, rest = pattern.partition("/")
    return sorted(shared_data(folder).glob(rest))


@pytest.mark.parametrize("case", REAL)
def test_the_volume_that_a_rule_picks_from_a_real_series_is_that_of_dcm2niix(case: str) -> None:
    pattern, reference, index, table = REAL[case]
    whole = dcm2niix.read(shared_data(reference.partition("/")[0]) / reference.partition("/")[2])
    picked = build_volume(files(pattern), choice_of(table))
    theirs = dcm2niix.in_axes_of(dcm2niix.Nifti(whole.array[..., index], whole.affine), picked.volume.affine)
    assert np.abs(theirs.affine - picked.volume.affine).max() < 1e-3
    assert np.array_equal(theirs.array, picked.volume.array)
    assert [note.partition(", ")[0] for note in picked.notes] == [f"of {whole.array.shape[3]} volumes of the series"]


def test_the_magnitude_of_one_real_enhanced_image_is_picked_by_its_word() -> None:
    picked = build_volume(files("enhanced-mr/IM_0027_fMAP.dcm"), choice_of({"ComplexImageComponent": "MAGNITUDE"}))
    assert {source.ComplexImageComponent for source in picked.sources} == {"MAGNITUDE"}
    assert picked.notes == ("of 2 volumes of the series, ComplexImageComponent MAGNITUDE was taken",)
    with pytest.raises(
        GeometryError, match=r"no volume as the rule wants, EchoTime \(90\); it holds 2 volumes: Complex"
    ):
        build_volume(files("enhanced-mr/IM_0027_fMAP.dcm"), choice_of({"EchoTime": 90}))


@pytest.fixture
def diffusion(tmp_path: Path) -> list[Dataset]:
    """Four slices at b = 0 and, in two directions, at b = 1000; the last direction was broken off after one slice."""
    images: list[Dataset] = []
    for number, (b_value, direction) in enumerate([(0, None), (1000, [1, 0, 0]), (1000, [0, 1, 0]), (2000, [0, 0, 1])]):
        for path in write_series(tmp_path / str(number), images=4 if b_value < 2000 else 1):
            image = dcmread(path)
            image.SOPInstanceUID = f"1.2.3.{number}.{image.InstanceNumber}"
            image.InstanceNumber += 10 * number
            image.DiffusionBValue, image.RescaleIntercept = b_value, 10 * number
            if direction:
                image.DiffusionGradientOrientation = direction
            block = image.private_block(0x0019, "ACME", create=True)
            block.add_new(0x0C, "IS", str(number))
            images.append(image)
    return images


@pytest.mark.parametrize(
    ("table", "number"),
    [
        ({"DiffusionBValue": 0}, 0),
        ({"DiffusionBValue": {"max": 100}}, 0),
        ({"DiffusionBValue": 1000, "number": 1}, 2),
        ({"DiffusionBValue": 1000, "number": 2}, 1),
        ({"DiffusionGradientOrientation": {"exists": False}}, 0),
        ({PRIVATE: 1}, 1),
        ({PRIVATE: {"not": {"min": 1}}}, 0),
        ({"number": 1}, 0),
    ],
)
def test_conditions_and_the_number_pick_one_volume(
    diffusion: list[Dataset], table: Mapping[str, Any], number: int
) -> None:
    picked = build_volume(diffusion, choice_of(table))
    assert {int(source.RescaleIntercept) for source in picked.sources} == {10 * number}
    assert len(picked.sources) == 4


def test_what_only_the_rule_knows_tells_volumes_apart_and_its_value_is_not_told(diffusion: list[Dataset]) -> None:
    for image in diffusion:
        del image.DiffusionBValue
        image.pop("DiffusionGradientOrientation", None)
    with pytest.raises(GeometryError, match="duplicate slices"):
        build_volume(diffusion)
    picked = build_volume(diffusion, choice_of({PRIVATE: 2}))
    assert {int(source.RescaleIntercept) for source in picked.sources} == {20}
    assert picked.notes == (f"of 4 volumes of the series, {PRIVATE}, value 3 was taken",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"DiffusionBValue": 500},
            r"^the series has no volume as the rule wants, DiffusionBValue \(500\); it holds 4 volumes: Diffusion"
            r"BValue 0 \(4 slices\); DiffusionBValue 1000, Dif.*Let volume in the rule name one of them",
        ),
        (
            {"DiffusionBValue": 1000},
            r"^2 volumes of the series are as the rule wants, DiffusionBValue \(1000\): DiffusionBValue 1000, "
            r"DiffusionGradientOrientation 0\\1\\0 \(4 slices\); .*say more, or add number$",
        ),
        ({"DiffusionBValue": 1000, "number": 3}, r"has no volume as .*\(1000\) and number 3; it holds 4 volumes"),
        ({"InstanceNumber": {"max": 2}}, r"no volume as the rule wants, InstanceNumber \(at most 2\)"),
        ({"DiffusionBValue": 2000}, r"one slice .* no SliceThickness|uneven|missing"),
    ],
)
def test_none_or_several_or_an_incomplete_volume_is_refused_with_what_is_there(
    diffusion: list[Dataset], table: Mapping[str, Any], message: str
) -> None:
    diffusion[-1].SliceThickness = 0
    with pytest.raises(GeometryError, match=message):
        build_volume(diffusion, choice_of(table))


def test_a_series_of_one_volume_must_be_the_one_that_is_wanted(diffusion: list[Dataset]) -> None:
    picked = build_volume(diffusion[:4], choice_of({"DiffusionBValue": 0, "number": 1}))
    assert picked.notes == ()
    with pytest.raises(GeometryError, match=r"it holds 1 volume: the only one \(4 slices\)"):
        build_volume(diffusion[:4], choice_of({"DiffusionBValue": 1000}))


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ("volume = { EchoTme = 90 }", "input.A.volume.EchoTme: is no DICOM keyword (did you mean 'EchoTime'?)"),
        ("volume = { EchoTime = '90' }", "input.A.volume.EchoTime: EchoTime holds numbers; write '90' without quotes"),
        ("volume = { number = 0 }", "input.A.volume.number: 0 is not a whole number from 1"),
        ("volume = { number = true }", "input.A.volume.number: True is not a whole number from 1"),
        ("volume = {}", "input.A.volume: must be a table of conditions and number, such as { EchoTime = 90 }"),
        ("volume = 2", "input.A.volume: must be a table of conditions and number, such as { EchoTime = 90 }"),
    ],
)
def test_a_wrong_choice_is_refused_by_file_and_line(tmp_path: Path, volume: str, message: str) -> None:
    (tmp_path / "rules.toml").write_text(RULE + volume + "\n")
    with pytest.raises(RulesError) as refusal:
        load_rules(tmp_path / "rules.toml")
    assert str(refusal.value).startswith(f"{tmp_path}/rules.toml:6: [[rule]] 'r' {message}")


def test_a_volume_alone_says_not_which_series(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULE.replace("Modality = 'MR'", "volume = { EchoTime = 90 }"))
    with pytest.raises(RulesError, match=r"input\.A: has no condition, so it would take any series"):
        load_rules(tmp_path / "rules.toml")


def routed(folder: Path, volumes: Mapping[str, str], members: Sequence[Series]) -> Routing:
    """Of a rule with these inputs, each for an MR series."""
    tables = [f"[rule.input.{name}]\nModality = 'MR'\n{volume}\n" for name, volume in volumes.items()]
    (folder / "rules.toml").write_text("[[rule]]\nname = 'r'\nmodel = 'm'\n" + "".join(tables))
    return route(load_rules(folder / "rules.toml"), Study("1.2", tuple(members)))


def mr(uid: str, images: int) -> Series:
    header = Dataset()
    header.Modality = "MR"
    return Series(uid, header, tuple(f"{uid}.{index}" for index in range(images)))


def test_inputs_that_want_other_volumes_share_a_series_and_all_others_do_not(tmp_path: Path) -> None:
    low, high = "volume = { DiffusionBValue = 0 }", "volume = { DiffusionBValue = 1000 }"
    (shared,) = routed(tmp_path, {"low": low, "high": high}, [mr("1", 9), mr("2", 4)]).decisions
    assert {name: found.series_uid for name, found in shared.inputs.items()} == {"low": "1", "high": "1"}
    (verdict, other) = routed(tmp_path, {"low": low, "high": high}, [mr("1", 9), mr("2", 4)]).verdicts[0].series
    assert (verdict.input, other.input) == ("low, high", None)
    assert verdict.reasons == (
        "Modality is 'MR', as wanted: 'MR'",
        "low takes its volume with DiffusionBValue (0)",
        "high takes its volume with DiffusionBValue (1000)",
    )
    for volumes in ({"low": low, "again": low}, {"low": low, "whole": ""}, {"whole": "", "low": low}):
        assert routed(tmp_path, volumes, [mr("1", 9)]).partials
        (apart,) = routed(tmp_path, volumes, [mr("1", 9), mr("2", 4)]).decisions
        assert [found.series_uid for found in apart.inputs.values()] == ["1", "2"]


def test_inputs_that_share_a_series_move_away_together_for_one_that_can_have_no_other(tmp_path: Path) -> None:
    rules = """
    [[rule]]
    name = "r"
    model = "m"
    [rule.input.low]
    Modality = "MR"
    volume = { number = 1 }
    [rule.input.high]
    Modality = "MR"
    volume = { number = 2 }
    [rule.input.big]
    SeriesNumber = 7
    """
    (tmp_path / "rules.toml").write_text(rules)
    big, small = mr("1", 9), mr("2", 4)
    big.header.SeriesNumber = 7
    (decision,) = route(load_rules(tmp_path / "rules.toml"), Study("1.2", (big, small))).decisions
    assert {name: found.series_uid for name, found in decision.inputs.items()} == {"low": "2", "high": "2", "big": "1"}


def test_rules_test_says_which_volume_of_a_real_series_the_model_would_get(tmp_path: Path) -> None:
    (tmp_path / "ainode.toml").write_text(f"[models]\nfolder = '{ROOT}/models'\n")
    rule = "[[rule]]\nname = 'fmri'\nmodel = 't1-head-demo'\noutputs = ['fhir']\n[rule.input.T1]\nModality = 'MR'\n"
    folder = tmp_path / "study"
    folder.mkdir()
    for path in files("enhanced-mr/6_*.dcm"):
        shutil.copy(path, folder)
    for volume, said in (
        (
            "{ TemporalPositionIndex = 2 }",
            "T1 gets 6 slices; of 4 volumes of the series, TemporalPositionIndex 2 was taken",
        ),
        ("{ number = 9 }", "T1 would fail: the series has no volume as the rule wants, number 9; it holds 4 volumes: "),
    ):
        (tmp_path / "rules.toml").write_text(f"{rule}volume = {volume}\n")
        for command in (["check"], ["test", str(folder)]):
            done = CliRunner().invoke(app, [*command, "--settings", str(tmp_path / "ainode.toml")])
            assert done.exit_code == 0, done.exception
        assert said in " ".join(done.output.split())
    assert len(read_study_folder(folder).studies) == 1
