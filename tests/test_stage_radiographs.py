"""Which image of a series a classifier gets, and what is refused in words of a radiographer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ainode.run.radiographs import choose_image, read_radiograph
from ainode_models.errors import InputError
from peers.classified import radiograph


def files(folder: Path, *images: dict[str, Any]) -> list[Path]:
    """One image each, with these elements."""
    paths = [folder / f"{number}.dcm" for number in range(len(images))]
    for number, (path, elements) in enumerate(zip(paths, images, strict=True)):
        radiograph(SOPInstanceUID=f"2.25.81{number}", **elements).save_as(path, enforce_file_format=True)
    return paths


def test_the_only_image_is_taken_whatever_its_view_as_the_model_knows_what_it_takes(tmp_path: Path) -> None:
    chosen = choose_image(files(tmp_path, {"ViewPosition": "LL"}))
    seen, remarks = read_radiograph(chosen)
    assert (seen.modality, seen.body_part, seen.view, remarks) == ("DX", "CHEST", "LL", ())
    assert seen.pixels.shape == (40, 50)
    assert seen.pixels[0, 0] == 1
    assert seen.pixels[39, 49] == 0


def test_an_image_whose_rows_run_to_the_front_is_lateral_unless_its_header_says_a_view(tmp_path: Path) -> None:
    sideways = {"PatientOrientation": ["A", "F"]}
    (seen, _), (said, _), (frontal, _) = (
        read_radiograph(choose_image([path]))
        for path in files(
            tmp_path,
            {"ViewPosition": "", **sideways},
            {"ViewPosition": "PA", **sideways},
            {"ViewPosition": "", "PatientOrientation": ["L", "F"]},
        )
    )
    assert (seen.view, said.view, frontal.view) == ("LATERAL", "PA", "")


def test_of_several_images_the_first_that_is_frontal_is_taken_and_readers_are_told(tmp_path: Path) -> None:
    paths = files(
        tmp_path,
        {"ViewPosition": "LL", "InstanceNumber": 1},
        {"ViewPosition": "AP", "InstanceNumber": 3},
        {"ViewPosition": "PA", "InstanceNumber": 2},
        {"ViewPosition": "PA", "InstanceNumber": 0, "PresentationIntentType": "FOR PROCESSING"},
    )
    chosen = choose_image(paths)
    assert chosen.path == paths[2] == choose_image(paths[::-1]).path
    assert chosen.remarks == ("Of 4 images of the series one was analysed: PA.",)


def test_an_image_in_the_other_polarity_comes_out_the_same_and_a_contradiction_is_told(tmp_path: Path) -> None:
    pixels = np.full((40, 50), 4095, np.uint16)
    pixels[:10, :10] = 0
    inverse = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}
    paths = files(
        tmp_path,
        {"PixelData": pixels.tobytes(), **inverse},
        {"PixelData": pixels.tobytes(), **inverse, "PhotometricInterpretation": "MONOCHROME2"},
        {},
    )
    seen = [read_radiograph(choose_image([path])) for path in paths]
    assert np.array_equal(seen[0][0].pixels, seen[2][0].pixels)
    assert np.array_equal(seen[1][0].pixels, seen[2][0].pixels)
    assert [len(remarks) for _, remarks in seen] == [0, 1, 0]
    assert "contradicts PresentationLUTShape INVERSE" in seen[1][1][0]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (
            [{"ViewPosition": "LL"}, {"ViewPosition": ""}],
            "none of the 2 images .* is frontal .*: LL, without a view. Route",
        ),
        ([{"PresentationIntentType": "FOR PROCESSING"}], "only raw detector images"),
        ([{"NumberOfFrames": 30}], "image 1 has 30 frames, as in fluoroscopy or tomosynthesis"),
        ([{"PhotometricInterpretation": "RGB"}], "image 1 is in colour"),
    ],
)
def test_what_is_no_single_frontal_radiograph_is_refused(
    tmp_path: Path, images: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        read_radiograph(choose_image(files(tmp_path, *images)))
