"""What is no frontal chest is refused; a negative is recognised by the picture and turned."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from ainode.picture.picture import read_picture
from ainode_models.cxr.frontal import likeness
from ainode_models.cxr.gate import admitted
from ainode_models.demo.chest import chest_phantom
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
    for seed in range(12):
        upright = likeness(phantom(seed))
        negative = likeness(1 - phantom(seed))
        assert upright.is_chest
        assert not upright.is_negative
        assert negative.is_chest
        assert negative.is_negative


@pytest.mark.parametrize("name", REAL)
def test_real_radiographs_pass_and_their_negatives_are_turned(name: str) -> None:
    image = real(name)
    pixels, remarks = admitted(image)
    assert pixels is image.pixels
    assert TURNED not in remarks
    turned, said = admitted(replace(image, pixels=1 - image.pixels))
    np.testing.assert_allclose(turned, image.pixels, rtol=0, atol=1e-6)
    assert TURNED in said
