"""What is no frontal chest is refused; a negative is recognised by the picture and turned."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from ainode.picture.picture import read_picture
from ainode_models.cxr.frontal import ENOUGH, likeness
from ainode_models.cxr.gate import admitted, is_doubtful
from ainode_models.demo.chest import chest_phantom
from ainode_models.demo.gate_pictures import OTHERS, photographed
from ainode_models.errors import InputError
from ainode_models.radiograph import Radiograph
from peers.shared_data import shared_data

CHEST = chest_phantom(1, 2).image
TURNED = "The picture was a negative (air bright) and was inverted."
REAL = ("dx-cptac.dcm", "dx-monochrome1-j2k.dcm")


def real(name: str) -> Radiograph:
    image = dcmread(shared_data("chest-xray") / name)
    return Radiograph(read_picture(image).pixels, image.Modality, image.BodyPartExamined, image.ViewPosition)


@pytest.mark.parametrize(
    ("body_part", "view"),
    [
        ("CHEST", "PA"),
        ("THORAX", "AP"),
        ("lung", "pa"),
        ("Chest", "postero-anterior"),
        ("CHEST PA", "AP portable"),
        ("", ""),
    ],
)
def test_frontal_chests_pass_whatever_words_say_so(body_part: str, view: str) -> None:
    pixels, remarks = admitted(Radiograph(CHEST, "DX", body_part, view))
    assert pixels is CHEST
    assert remarks == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modality": "CT"}, "Modality is CT, but the model takes chest radiographs"),
        ({"modality": "MG"}, "Modality is MG"),
        ({"body_part": "SKULL"}, "BodyPartExamined is 'SKULL', but the model takes the chest only"),
        ({"body_part": "TSPINE"}, "BodyPartExamined is 'TSPINE'"),
        ({"view": "LL"}, "ViewPosition is 'LL', but the model takes frontal views only"),
        ({"view": "LATERAL"}, "ViewPosition is 'LATERAL'"),
        ({"view": "LLD"}, "ViewPosition is 'LLD'"),
        ({"pixels": np.zeros((300, 300), np.float32)}, "the picture has one grey value only"),
        ({"pixels": CHEST[:40]}, "the picture has 40 x"),
        ({"pixels": CHEST * np.float32(np.nan)}, "holds values that are no numbers"),
    ],
)
def test_what_is_no_frontal_chest_is_refused_with_what_was_found(change: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        admitted(replace(Radiograph(CHEST, "DX", "CHEST", "PA"), **change))


def phantom(seed: int) -> NDArray[np.float32]:
    return chest_phantom(seed, seed % 4).image


def test_phantoms_look_like_chests_and_their_negatives_like_negatives() -> None:
    for seed in range(6):
        upright, negative = likeness(phantom(seed)), likeness(1 - phantom(seed))
        assert min(upright.upright, negative.inverted) > 0.8
        assert max(upright.inverted, negative.upright) < 0.1


@pytest.mark.parametrize("name", OTHERS)
def test_drawings_of_other_things_are_refused(name: str) -> None:
    """Of noise and stripes about one in a hundred has dark fields beside a bright middle and passes."""
    rng, passed = np.random.default_rng(2**35), 0
    for _ in range(8):
        drawn = photographed(rng, OTHERS[name](rng))
        picture: NDArray[np.float32] = ((drawn - drawn.min()) / np.ptp(drawn)).astype(np.float32)
        for pixels in (picture, np.float32(1) - picture):
            try:
                admitted(Radiograph(pixels))
                passed += 1
            except InputError as error:
                assert "does not look like a frontal chest radiograph" in str(error)
    assert passed <= (2 if name == "clouds" else 0)


def test_a_picture_of_something_else_under_the_header_of_a_chest_is_doubtful() -> None:
    pixels = np.rot90(CHEST).copy()
    same, remarks = admitted(Radiograph(pixels, "DX", "CHEST", "PA"))
    assert is_doubtful(remarks)
    assert same is pixels or TURNED in remarks
    assert not is_doubtful([TURNED])


def test_a_chest_on_its_side_or_upside_down_is_refused() -> None:
    for seed, turns in product(range(2), (1, 2, 3)):
        with pytest.raises(InputError, match="the patient upright in the picture"):
            admitted(Radiograph(np.rot90(phantom(seed), turns).copy()))


def test_real_pictures_of_other_things_do_not_look_like_chests() -> None:
    """Each far from enough: magnetic resonance, computed tomography, a leg, scintigraphy."""
    folder = shared_data("transfer-syntaxes")
    for name in ("MR2_J2KI.dcm", "explicit_VR-UN.dcm", "RG3_J2KR.dcm", "JLSL_16_15_1_1F.dcm", "JPEG-LL.dcm"):
        looks = likeness(read_picture(folder / name).pixels)
        assert max(looks.upright, looks.inverted) < ENOUGH / 2, name


def test_a_real_chest_needs_no_header_to_be_known() -> None:
    chests = (shared_data("chest-xray") / "dx-monochrome1-j2k.dcm", shared_data("transfer-syntaxes") / "RG1_J2KI.dcm")
    for path in chests:
        pixels = read_picture(path).pixels
        same, said = admitted(Radiograph(pixels))
        assert same is pixels
        assert said == ()
        _, remarks = admitted(Radiograph(1 - pixels))
        assert remarks == (TURNED,)


@pytest.mark.parametrize("name", REAL)
def test_real_radiographs_pass_and_their_negatives_are_turned(name: str) -> None:
    image = real(name)
    pixels, remarks = admitted(image)
    assert pixels is image.pixels
    assert TURNED not in remarks
    turned, said = admitted(replace(image, pixels=1 - image.pixels))
    np.testing.assert_allclose(turned, image.pixels, rtol=0, atol=1e-6)
    assert TURNED in said
