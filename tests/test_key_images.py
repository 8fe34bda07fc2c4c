"""Key images: the slices that show most, on square pixels, with sides, outlines and labels, as Secondary Capture."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from ainode.encode.illustration import pictures
from ainode.encode.key_images import key_images
from ainode.encode.slice_picture import side
from ainode.picture.views import Window
from ainode.volume.geometry import stack_slices
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.secondary_capture import secondary_capture
from ainode_models.findings import Findings
from peers.dicom_checkers import assert_valid_iod, entity_warnings
from peers.dicom_sources import EQUIPMENT, SHAPE, findings, series, with_pixels, write
from peers.enhanced_series import as_enhanced, read_all

YELLOW, BLUE = (255, 235, 59), (0, 160, 255)
"""Of the labels 2 and 3."""


def labelled(*boxes: tuple[int, int, slice, slice]) -> Findings:
    """Findings of a map with these boxes: label, slice, rows, columns."""
    labels = np.zeros(SHAPE, np.uint8)
    for label, number, rows, columns in boxes:
        labels[number, rows, columns] = label
    return findings(labels)


SMALL, LARGE = slice(10, 20), slice(5, 40)
FOUND = labelled((2, 3, LARGE, SMALL), (2, 4, LARGE, LARGE), (3, 9, SMALL, SMALL), (3, 10, SMALL, slice(10, 15)))


def is_near(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(pixels.astype(int) - colour).max(axis=-1) < 40, np.bool_)


def test_each_segment_is_shown_where_it_is_largest_and_all_slices_together_at_the_end() -> None:
    images = key_images(FOUND, with_pixels(series()))
    assert [image.sources for image in images] == [(4,), (9,), (3, 4, 5, 6, 7, 8, 9, 10)]
    assert [image.titles for image in images[:2]] == [
        ("Slice 5 of 20", "Corte 5 de 20"),
        ("Slice 10 of 20", "Corte 10 de 20"),
    ]
    assert [[line.text.split(",")[0] for line in image.legend] for image in images] == [
        ["Oedema"],
        ["Enhancing tumour"],
        ["Oedema", "Enhancing tumour"],
    ]
    assert [image.legend[0].swatch for image in images] == [YELLOW, BLUE, YELLOW]
    assert key_images(labelled(), series()) == []


def test_pixels_are_square_and_the_outline_lies_where_the_segment_is() -> None:
    (image, *_) = key_images(FOUND, with_pixels(series()))
    rows, columns = image.pixels.shape[:2]
    # 64 rows of 1.5 mm are 96 mm, 48 columns of 0.8 mm are 38.4 mm; black at the sides makes room for captions
    assert (rows, columns) == (768, 512)
    scale = 768 / 96
    left = (512 - round(38.4 * scale)) / 2
    there = np.argwhere(is_near(image.pixels, YELLOW))
    box = (*there.min(axis=0), *there.max(axis=0) + 1)
    wanted = (5 * 1.5 * scale, left + 5 * 0.8 * scale, 40 * 1.5 * scale, left + 40 * 0.8 * scale)
    assert np.abs(np.subtract(box, wanted)).max() < 3
    inside = image.pixels[int(20 * 1.5 * scale), int(left + 20 * 0.8 * scale)].astype(int)
    assert inside[0] - inside[2] > 30, "the fill lets the image through"


@pytest.mark.parametrize(
    ("orientation", "sides"),
    [("axial", ("L", "P")), ("sagittal", ("P", "F")), ("coronal", ("L", "F")), ("oblique", ("LP", "PR"))],
)
def test_the_sides_of_the_patient_are_named_from_the_orientation_of_the_slices(
    orientation: str, sides: tuple[str, str]
) -> None:
    (image, *_) = key_images(FOUND, with_pixels(series(orientation)))
    assert image.orientation == sides
    assert [side(-np.eye(3)[axis]) for axis in range(3)] == ["R", "A", "F"]


def grey_at(image: NDArray[np.uint8], row: int, column: int) -> int:
    """At a pixel of the source, away from what was drawn."""
    scale, left = 768 / 96, (512 - 307) / 2
    place = image[round((row + 0.5) * 1.5 * scale), round(left + (column + 0.5) * 0.8 * scale)]
    assert np.ptp(place) == 0
    return int(place[0])


@pytest.mark.parametrize("polarity", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(
    ("elements", "window"),
    [
        ({"WindowCenter": 60, "WindowWidth": 40}, Window(60, 40)),
        ({"WindowCenter": [70, 5], "WindowWidth": [100, 1], "VOILUTFunction": "SIGMOID"}, Window(70, 100, "SIGMOID")),
        ({"WindowCenter": 60, "WindowWidth": -3}, Window(55, 91, "LINEAR_EXACT")),  # no meaning: as if there were none
        ({}, Window(55, 91, "LINEAR_EXACT")),
    ],
    ids=["linear", "sigmoid", "bad", "none"],
)
def test_a_slice_looks_as_its_window_says_and_without_one_the_outer_percents_are_cut(
    elements: dict[str, Any], window: Window, polarity: str
) -> None:
    sources = with_pixels(series(), PhotometricInterpretation=polarity, **elements)
    (image, *_) = key_images(FOUND, sources)
    for row, column in ((50, 10), (55, 30), (45, 44)):
        share = float(window(np.array([float(row + column)]))[0])
        wanted = 255 * (1 - share if polarity == "MONOCHROME1" else share)
        assert abs(grey_at(image.pixels, row, column) - wanted) < 8


def test_frames_of_an_enhanced_image_are_shown_and_referred_to_as_frames(tmp_path: Path) -> None:
    images = read_all(write(with_pixels(series(), WindowCenter=60, WindowWidth=40), tmp_path / "classic"))
    enhanced = read_all([as_enhanced(images, tmp_path / "enhanced.dcm")])[0]
    stack = stack_slices([enhanced])
    drawn = key_images(FOUND, stack.headers)
    assert grey_at(drawn[0].pixels, 50, 10) == grey_at(key_images(FOUND, images)[0].pixels, 50, 10)
    made = captures(FOUND, list(stack.headers))
    (reference,) = made[0].SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == enhanced.SOPInstanceUID
    assert reference.ReferencedFrameNumber == stack.headers[4].ReferencedFrameNumber
    (reference,) = made[-1].SourceImageSequence
    assert set(reference.ReferencedFrameNumber) == {stack.headers[n].ReferencedFrameNumber for n in range(3, 11)}


def captures(run: Findings, sources: list[Dataset]) -> list[Dataset]:
    drawn = key_images(run, sources)
    return [
        secondary_capture(run, picture, sources=[sources[place] for place in each.sources], equipment=EQUIPMENT)
        for each, picture in zip(drawn, pictures(run, drawn), strict=True)
    ]


def test_they_are_one_valid_series_of_equal_images_that_name_their_sources_and_say_what_they_are(
    tmp_path: Path,
) -> None:
    sources = with_pixels(series(), LossyImageCompression="01", LossyImageCompressionRatio=9)
    made = captures(FOUND, sources)
    paths = [tmp_path / f"{image.InstanceNumber}.dcm" for image in made]
    for path, image in zip(paths, made, strict=True):
        path.write_bytes(encoded(image))
        assert_valid_iod(path)
    assert entity_warnings([*paths, *write(series(), tmp_path / "sources")]) == []
    first = made[0]
    assert len({(image.Rows, image.Columns, image.SeriesInstanceUID) for image in made}) == 1
    assert len({image.SOPInstanceUID for image in made}) == 3
    assert first.SeriesDescription == "AI brain-tumour-demo key image - NOT FOR DIAGNOSTIC USE"
    assert (first.DerivationDescription, list(first.PatientOrientation)) == ("Slice 5 of 20", ["L", "P"])
    assert first.SourceImageSequence[0].ReferencedSOPInstanceUID == sources[4].SOPInstanceUID
    assert [len(image.SourceImageSequence) for image in made] == [1, 1, 8]
    assert (first.ContentQualification, first.LossyImageCompression, first.LossyImageCompressionRatio) == (
        "RESEARCH",
        "01",
        9,
    )
    assert "PixelSpacing" not in first
    assert encoded(captures(FOUND, sources)[0]) == encoded(first)
    subprocess.run(["/usr/bin/dcm2pnm", "-q", "+on", paths[0], tmp_path / "1.png"], check=True, capture_output=True)
    shown = np.asarray(Image.open(tmp_path / "1.png").convert("RGB"))
    drawn = key_images(FOUND, sources)
    assert np.array_equal(shown, pictures(FOUND, drawn)[0].pixels)
    assert np.array_equal(shown[:768], drawn[0].pixels), "the caption lies below, not over the image"
    assert is_near(shown[768:], (255, 214, 64)).sum() > 1000, "with the warnings in yellow"


def test_a_caption_names_few_of_many_segments_and_counts_the_others() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    for number in range(1, 11):
        labels[4, number * 4 : number * 4 + 3, 5:40] = number
    (one,) = findings(np.ones(SHAPE, np.uint8)).present
    segments = tuple(replace(one, number=number, label=f"Part {number}") for number in range(1, 11))
    run = replace(FOUND, segments=segments, label_map=labels)
    (image,) = key_images(run, with_pixels(series()))
    assert len(image.legend) == 7
    assert image.legend[-1].text == "and 4 more"
    assert pictures(run, [image])[0].pixels.shape[1] == 512
