"""Pictures as a person sees them: dcmtk renders the same, and what nothing can show is refused."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames

from ainode.picture.picture import read_picture
from ainode.picture.views import Window
from ainode_models.errors import InputError
from peers.rendering import SHAPE, colour_scan, dcmtk_picture, image_of, palette, scan, table
from peers.shared_data import shared_data

GAMMA = np.rint(np.linspace(0, 1, 4096) ** 0.5 * 65535).astype(int)
WINDOW = {"WindowCenter": 1800, "WindowWidth": 2500}


def with_bits_above(values: Any) -> Any:
    """Noise in the bits above the ten stored ones, where old images have overlays (PS3.5 8.1.2)."""
    return values | (np.random.default_rng(0).integers(0, 64, values.shape, np.uint16) << 10)


GREYS: Mapping[str, tuple[Dataset, int, tuple[str, ...]]] = {
    "nothing said: the range of the values": (image_of(scan(12) // 3 + 100, 12), 0, ("+Wm",)),
    "nothing said, 8 bits": (image_of(scan(8), 8), 0, ("+Wm",)),
    "window": (image_of(scan(12), 12, **WINDOW), 0, ("+Wi", "1")),
    "window of width 1": (image_of(scan(12), 12, WindowCenter=2000, WindowWidth=1), 0, ("+Wi", "1")),
    "sigmoid window": (image_of(scan(12), 12, VOILUTFunction="SIGMOID", **WINDOW), 0, ("+Wi", "1")),
    "first of two windows": (
        image_of(scan(12), 12, WindowCenter=[900, 3000], WindowWidth=[600, 1000]),
        0,
        ("+Wi", "1"),
    ),
    "second of two windows": (
        image_of(scan(12), 12, WindowCenter=[900, 3000], WindowWidth=[600, 1000]),
        1,
        ("+Wi", "2"),
    ),
    "rescale before the window": (
        image_of(scan(12), 12, RescaleSlope=2, RescaleIntercept=-4000, WindowCenter=40, WindowWidth=4000),
        0,
        ("+Wi", "1"),
    ),
    "negative slope": (
        image_of(scan(12), 12, RescaleSlope=-1, RescaleIntercept=4095, WindowCenter=1200, WindowWidth=900),
        0,
        ("+Wi", "1"),
    ),
    "signed": (image_of(scan(12, signed=True), 12, WindowCenter=-300, WindowWidth=2000), 0, ("+Wi", "1")),
    "signed without a window": (image_of(scan(16, signed=True), 16), 0, ("+Wm",)),
    "10 bits of 16, noise above them": (image_of(with_bits_above(scan(10)), 10), 0, ("+Wm",)),
    "modality LUT": (image_of(scan(12), 12, ModalityLUTSequence=table(GAMMA, 0, 16)), 0, ("+Wm",)),
    "modality LUT, then a window": (
        image_of(scan(12), 12, ModalityLUTSequence=table(GAMMA, 0, 16), WindowCenter=40000, WindowWidth=30000),
        0,
        ("+Wi", "1"),
    ),
    "modality LUT from a negative value on": (
        image_of(scan(12, signed=True), 12, ModalityLUTSequence=table(GAMMA[::2], -1000, 16)),
        0,
        ("+Wm",),
    ),
    "modality LUT, two entries of 8 bits to a word": (
        image_of(scan(12), 12, ModalityLUTSequence=table(GAMMA >> 8, 0, 8, packed=True)),
        0,
        ("+Wm",),
    ),
    "VOI LUT of 16 bits": (image_of(scan(12), 12, VOILUTSequence=table(GAMMA, 0, 16)), 0, ("+Wl", "1")),
    "VOI LUT of 12 bits": (image_of(scan(12), 12, VOILUTSequence=table(GAMMA >> 4, 0, 12)), 0, ("+Wl", "1")),
    "VOI LUT of 8 bits": (image_of(scan(12), 12, VOILUTSequence=table(GAMMA >> 8, 0, 8)), 0, ("+Wl", "1")),
    "VOI LUT, two entries of 8 bits to a word": (
        image_of(scan(12), 12, VOILUTSequence=table(GAMMA >> 8, 0, 8, packed=True)),
        0,
        ("+Wl", "1"),
    ),
    "VOI LUT after a rescale": (
        image_of(scan(12), 12, RescaleSlope=1, RescaleIntercept=-1024, VOILUTSequence=table(GAMMA[:2000:2], -100, 16)),
        0,
        ("+Wl", "1"),
    ),
    "VOI LUT before a window": (
        image_of(scan(12), 12, VOILUTSequence=table(GAMMA, 0, 16), **WINDOW),
        0,
        ("+Wl", "1"),
    ),
    "the window beside a VOI LUT": (
        image_of(scan(12), 12, VOILUTSequence=table(GAMMA, 0, 16), **WINDOW),
        1,
        ("+Wi", "1"),
    ),
    "MONOCHROME1": (image_of(scan(12), 12, PhotometricInterpretation="MONOCHROME1", **WINDOW), 0, ("+Wi", "1")),
    "MONOCHROME1 without a window": (image_of(scan(10), 10, PhotometricInterpretation="MONOCHROME1"), 0, ("+Wm",)),
    "MONOCHROME1 and INVERSE": (
        image_of(scan(12), 12, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE", **WINDOW),
        0,
        ("+Wi", "1"),
    ),
    "MONOCHROME2 and IDENTITY": (
        image_of(scan(12), 12, PresentationLUTShape="IDENTITY", **WINDOW),
        0,
        ("+Wi", "1"),
    ),
    "MONOCHROME2 but INVERSE": (image_of(scan(12), 12, PresentationLUTShape="INVERSE", **WINDOW), 0, ("+Wi", "1")),
    "MONOCHROME1 but IDENTITY": (
        image_of(scan(12), 12, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="IDENTITY", **WINDOW),
        0,
        ("+Wi", "1"),
    ),
    "X-ray angiography, whose rescale is not for display": (
        image_of(
            scan(12),
            12,
            SOPClassUID=uid.XRayAngiographicImageStorage,
            Modality="XA",
            RescaleSlope=3,
            RescaleIntercept=50,
            **WINDOW,
        ),
        0,
        ("+Wi", "1"),
    ),
}
"""Each kind of greyscale image, the number of the view asked for, and what dcmtk is asked for."""

RAMP = np.stack([np.linspace(0, 65535, 256), np.linspace(65535, 0, 256), np.linspace(20000, 40000, 256)]).astype(int)
FINE = np.stack([GAMMA, GAMMA[::-1], np.roll(GAMMA, 1000)])


def in_422(samples: Any) -> bytes:
    """YBR_FULL_422: two luminances, then the chrominances of the first of both pixels (PS3.3 C.7.6.3.1.2)."""
    pairs = [samples[:, ::2, 0], samples[:, 1::2, 0], samples[:, ::2, 1], samples[:, ::2, 2]]
    return bytes(np.stack(pairs, axis=-1).tobytes())


COLOURS: Mapping[str, Dataset] = {
    "RGB": image_of(colour_scan(), 8),
    "RGB by planes": image_of(
        colour_scan(), 8, PlanarConfiguration=1, PixelData=np.moveaxis(colour_scan(), -1, 0).tobytes()
    ),
    "RGB of 16 bits": image_of(colour_scan().astype(np.uint16) << 8, 16),
    "YBR_FULL": image_of(colour_scan(), 8, PhotometricInterpretation="YBR_FULL"),
    "YBR_FULL by planes": image_of(
        colour_scan(),
        8,
        PhotometricInterpretation="YBR_FULL",
        PlanarConfiguration=1,
        PixelData=np.moveaxis(colour_scan(), -1, 0).tobytes(),
    ),
    "YBR_FULL_422": image_of(
        colour_scan(), 8, PhotometricInterpretation="YBR_FULL_422", PixelData=in_422(colour_scan())
    ),
    "palette of 16 bits": image_of(scan(8), 8, **palette(RAMP, 0, 16)),
    "palette of 8 bits": image_of(scan(8), 8, **palette(RAMP >> 8, 0, 8, packed=True)),
    "palette of 8 bits in words": image_of(scan(8), 8, **palette(RAMP >> 8, 0, 8)),
    "palette for values from 50 on": image_of(scan(8), 8, **palette(RAMP[:, ::2], 50, 16)),
    "palette for 12 bits": image_of(scan(12), 12, **palette(FINE, 0, 16)),
    "palette for 12 bits, of 8 bits": image_of(scan(12), 12, **palette(FINE >> 8, 0, 8, packed=True)),
}

ENCODERS: Mapping[str, tuple[str, uid.UID, float]] = {
    "dcmcjpeg +eb +q 95 +s4": ("YBR_FULL", uid.JPEGBaseline8Bit, 3),
    "dcmcjpeg +eb +q 95 +s2": ("YBR_FULL_422", uid.JPEGBaseline8Bit, 3),
    "dcmcjpeg +eb +q 95 +cr": ("RGB", uid.JPEGBaseline8Bit, 3),
    "dcmcjpeg +e1": ("RGB", uid.JPEGLosslessSV1, 0.01),
    "dcmcjpls": ("RGB", uid.JPEGLSLossless, 0.01),
    "dcmcjpls +il": ("RGB", uid.JPEGLSLossless, 0.01),
    "dcmcrle": ("RGB", uid.RLELossless, 0.01),
    "gdcmconv --j2k": ("RGB", uid.JPEG2000Lossless, 0.01),
    "gdcmconv --j2k --lossy -r 4": ("RGB", uid.JPEG2000, 2),
}
"""Commands that compress RGB, what they make of it, and how many grey levels decoders differ by."""


def saved(image: Dataset, path: Path) -> Path:
    """``path``, with the image in it."""
    image.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("case", GREYS)
def test_a_greyscale_picture_is_that_of_dcmtk(tmp_path: Path, case: str) -> None:
    image, view, options = GREYS[case]
    path = saved(image, tmp_path / "image.dcm")
    picture = read_picture(path, view=view)
    assert picture.pixels.shape == SHAPE
    assert picture.pixels.dtype == np.float32
    assert np.abs(picture.pixels * 255 - dcmtk_picture(path, tmp_path, *options)).max() <= 1
    assert picture.pixels.max() - picture.pixels.min() > 0.5
    assert np.array_equal(read_picture(image, view=view).pixels, picture.pixels)


@pytest.mark.parametrize("case", COLOURS)
def test_a_colour_picture_is_that_of_dcmtk(tmp_path: Path, case: str) -> None:
    path = saved(COLOURS[case], tmp_path / "image.dcm")
    picture = read_picture(path)
    assert picture.pixels.shape == (*SHAPE, 3)
    off = 2 if "YBR" in case else 1  # dcmtk's whole numbers are up to 1.9 from the standard's equations, ours 0.5
    assert np.abs(picture.pixels * 255 - dcmtk_picture(path, tmp_path)).max() <= off


def test_ybr_full_is_converted_as_the_standard_says() -> None:
    luminance, blue, red = np.moveaxis(colour_scan().astype(float) - [0, 128, 128], -1, 0)
    green = luminance - 0.3441 * blue - 0.7141 * red
    expected = np.clip(np.stack([luminance + 1.402 * red, green, luminance + 1.772 * blue], axis=-1), 0, 255)
    assert np.abs(read_picture(COLOURS["YBR_FULL"]).pixels * 255 - expected).max() <= 0.51


@pytest.mark.parametrize("command", ENCODERS)
def test_a_compressed_colour_picture_is_that_of_dcmtk(tmp_path: Path, command: str) -> None:
    space, syntax, off = ENCODERS[command]
    plain, path = saved(COLOURS["RGB"], tmp_path / "plain.dcm"), tmp_path / "image.dcm"
    name, *options = command.split()
    subprocess.run([f"/usr/bin/{name}", *options, plain, path], check=True, capture_output=True)
    header = dcmread(path)
    assert (header.PhotometricInterpretation, header.file_meta.TransferSyntaxUID) == (space, syntax)
    picture = read_picture(path)
    assert np.abs(picture.pixels * 255 - dcmtk_picture(path, tmp_path)).max() <= off


REAL_COLOURS = {
    "US1_J2KI.dcm": 0.01,
    "US1_J2KR.dcm": 0.01,
    "OBXXXX1A_rle.dcm": 1,
    "OBXXXX1A_expb.dcm": 1,
    "SC_ybr_full_uncompressed.dcm": 2,
    "color-pl.dcm": 0.01,
    "SC_rgb_expb_16bit.dcm": 1,
}
REAL_GREYS = {
    "transfer-syntaxes/693_J2KR.dcm": ("+Wi", "window 40/100 LINEAR"),
    "transfer-syntaxes/MR-SIEMENS-DICOM-WithOverlays.dcm": ("+Wi", "window 450/790 LINEAR (WINDOW1)"),
    "transfer-syntaxes/RG3_J2KI.dcm": ("+Wi", "window 550/1024 LINEAR"),
    "transfer-syntaxes/vlut_04.dcm": ("+Wl", "VOI LUT 1"),
    "transfer-syntaxes/mlut_18.dcm": ("+Wm", "full range, 0 to 65535"),
    "transfer-syntaxes/JPEG-LL.dcm": ("+Wm", "full range, 0 to 278"),
    "chest-xray/dx-cptac.dcm": ("+Wl", "VOI LUT 1 (NORMAL)"),
}


@pytest.mark.parametrize("name", REAL_COLOURS)
def test_a_real_colour_picture_is_that_of_dcmtk(tmp_path: Path, name: str) -> None:
    path = shared_data("transfer-syntaxes") / name
    theirs = dcmtk_picture(path, tmp_path)
    assert np.abs(read_picture(path).pixels * 255 - theirs.reshape(*theirs.shape[:2], -1)).max() <= REAL_COLOURS[name]


@pytest.mark.parametrize("name", REAL_GREYS)
def test_a_real_greyscale_picture_is_that_of_dcmtk(tmp_path: Path, name: str) -> None:
    option, view = REAL_GREYS[name]
    path = shared_data(name.partition("/")[0]) / name.partition("/")[2]
    picture = read_picture(path)
    assert picture.view == view
    theirs = dcmtk_picture(path, tmp_path, *([option] if option == "+Wm" else [option, "1"]))
    assert np.abs(picture.pixels * 255 - theirs).max() <= 1


def test_a_real_chest_x_ray_in_monochrome1_that_kakadu_filled_up_is_that_of_dcmtk(tmp_path: Path) -> None:
    """OpenJPEG, gdcm's decoder too, stops at a comment behind the last tile: gdcm and dcmtk get the frame without."""
    path = shared_data("chest-xray") / "dx-monochrome1-j2k.dcm"
    image = dcmread(path)
    frame = next(generate_frames(image.PixelData, number_of_frames=1))
    image.PixelData = encapsulate([frame.replace(b"\xff\x64\x00\x0b\x00\x01PADDING", b"")])
    picture = read_picture(path)
    assert (picture.view, picture.inverted, picture.notes) == ("window 2048/4096 LINEAR", True, ())
    theirs = dcmtk_picture(saved(image, tmp_path / "tidy.dcm"), tmp_path, "+Wi", "1")
    assert np.abs(picture.pixels * 255 - theirs).max() <= 1


@pytest.mark.parametrize("name", ["gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm"])
def test_a_segmented_palette_gives_the_colours_of_gdcm(tmp_path: Path, name: str) -> None:
    folder = shared_data("transfer-syntaxes")
    source, target = folder / "gdcm-US-ALOKA-16.dcm", tmp_path / "rgb.dcm"
    subprocess.run(["/usr/bin/gdcmconv", "--apply-lut", source, target], check=True)
    theirs = dcmread(target)
    values = np.frombuffer(theirs.PixelData, "<u2").reshape(theirs.Rows, theirs.Columns, 3)
    assert np.array_equal(np.rint(read_picture(folder / name).pixels * 65535), values)


def test_a_fractional_slope_and_an_exact_window_give_what_the_clauses_say() -> None:
    values = scan(12) * 0.3 - 500
    image = image_of(scan(12), 12, RescaleSlope=0.3, RescaleIntercept=-500, WindowCenter=40, WindowWidth=400)
    image.VOILUTFunction = "LINEAR_EXACT"
    assert read_picture(image).pixels == pytest.approx(np.clip((values - 40) / 400 + 0.5, 0, 1), abs=1e-5)
    image.VOILUTFunction = "LINEAR"
    assert read_picture(image).pixels == pytest.approx(np.clip((values - 39.5) / 399 + 0.5, 0, 1), abs=1e-5)
    wished = read_picture(image, view=Window(-200, 50, "SIGMOID"))
    assert wished.view == "window -200/50 SIGMOID"
    assert wished.pixels == pytest.approx(1 / (1 + np.exp(-4 * (values + 200) / 50)), abs=1e-5)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_whichever_end_is_white_and_no_part_of_the_range(photometric: str) -> None:
    stored = scan(12) // 2 + 1000
    values = stored.copy()
    values[:5], values[5:8] = 0, 7
    image = image_of(values, 12, PixelPaddingValue=0, PixelPaddingRangeLimit=10, PhotometricInterpretation=photometric)
    picture = read_picture(image)
    assert not picture.pixels[:8].any()
    kept = stored[8:]
    assert picture.view == f"full range, {kept.min()} to {kept.max()}"
    assert picture.pixels[8:].max() == 1


def test_an_overlay_is_not_drawn() -> None:
    image = image_of(scan(12), 12, **WINDOW)
    plain = read_picture(image).pixels
    for element, vr, value in ((0x10, "US", SHAPE[0]), (0x11, "US", SHAPE[1]), (0x40, "CS", "G")):
        image.add_new((0x6000, element), vr, value)
    image.add_new((0x6000, 0x50), "SS", [1, 1])
    image.add_new((0x6000, 0x100), "US", 1)
    image.add_new((0x6000, 0x3000), "OW", b"\xff" * (SHAPE[0] * SHAPE[1] // 8 + 1))
    assert np.array_equal(read_picture(image).pixels, plain)


def test_each_frame_has_the_rescale_and_window_of_its_functional_groups(tmp_path: Path) -> None:
    image = image_of(scan(12), 12, SOPClassUID=uid.EnhancedCTImageStorage, NumberOfFrames=2)
    image.PixelData = scan(12).tobytes() + scan(12)[::-1].tobytes()
    shared, *groups = (Dataset() for _ in range(3))
    shared.PixelValueTransformationSequence = [Dataset()]
    shared.PixelValueTransformationSequence[0].RescaleSlope = 2
    shared.PixelValueTransformationSequence[0].RescaleIntercept = -1000
    for group, center in zip(groups, (1000, 3000), strict=True):
        group.FrameVOILUTSequence = [Dataset()]
        group.FrameVOILUTSequence[0].WindowCenter, group.FrameVOILUTSequence[0].WindowWidth = center, 1500
    image.SharedFunctionalGroupsSequence, image.PerFrameFunctionalGroupsSequence = [shared], groups
    image.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    for frame, center, stored in ((1, 1000, scan(12)), (2, 3000, scan(12)[::-1])):
        picture = read_picture(tmp_path / "image.dcm", frame=frame)
        expected = np.clip((stored * 2.0 - 1000 - (center - 0.5)) / 1499 + 0.5, 0, 1)
        assert picture.pixels == pytest.approx(expected, abs=1e-5)
        assert picture.view == f"window {center}/1500 LINEAR"
    with pytest.raises(InputError, match="image 1 has no frame 3: it has 2"):
        read_picture(tmp_path / "image.dcm", frame=3)


def test_what_contradicts_itself_or_has_no_meaning_is_noted() -> None:
    image = image_of(scan(12), 12, PresentationLUTShape="INVERSE", WindowCenter=[5, 900], WindowWidth=[0, 600])
    picture = read_picture(image)
    assert picture.choices == ("window 900/600 LINEAR",)
    assert picture.inverted
    assert picture.notes == (
        "window 5/0 LINEAR has no meaning and was left out",
        "PhotometricInterpretation MONOCHROME2 contradicts PresentationLUTShape INVERSE; the latter was followed",
    )
    assert image.WindowCenter == [5, 900]
