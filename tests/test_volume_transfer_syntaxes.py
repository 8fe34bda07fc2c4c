"""Pixels of every transfer syntax, against decoders that the node does not use; the table in docs is held true."""

import re
import resource
import struct
import subprocess
from pathlib import Path

import numpy as np
import pynetdicom  # noqa: F401 - names transfer syntaxes that pydicom does not know
import pytest
from imagecodecs import htj2k_encode
from numpy.typing import NDArray
from pydicom import dcmread, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from ainode.volume.builder import build_volume, read_header
from ainode.volume.frames import PLUGINS, decode_frames
from ainode.volume.pixels import decode_stack
from ainode_models.errors import InputError, InstanceError
from peers.second_decoder import second_values
from peers.shared_data import ROOT, shared_data

PAGE = (ROOT / "docs" / "transfer-syntaxes.md").read_text(encoding="utf-8")
SYNTAXES = re.findall(r"^\| `([\d.]+)` \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
FILES = re.findall(r"^\| `(\S+\.dcm)` \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)

TWELVE_BITS, SIXTEEN_SIGNED, EIGHT_BITS = (12, 0), (16, 1), (8, 0)
ENCODERS: list[tuple[uid.UID, str, list[tuple[int, int]]]] = [
    (uid.ImplicitVRLittleEndian, "dcmconv +ti", [TWELVE_BITS, SIXTEEN_SIGNED]),
    (uid.ExplicitVRBigEndian, "dcmconv +tb", [EIGHT_BITS, TWELVE_BITS, SIXTEEN_SIGNED]),
    (uid.DeflatedExplicitVRLittleEndian, "dcmconv +td", [TWELVE_BITS, SIXTEEN_SIGNED]),
    (uid.JPEGBaseline8Bit, "dcmcjpeg +eb", [EIGHT_BITS]),
    (uid.JPEGExtended12Bit, "dcmcjpeg +ee", [EIGHT_BITS, TWELVE_BITS]),
    *((uid.JPEGLossless, f"dcmcjpeg +el +sv {n}", [EIGHT_BITS, TWELVE_BITS, SIXTEEN_SIGNED]) for n in range(2, 8)),
    (uid.JPEGLosslessSV1, "dcmcjpeg +e1", [EIGHT_BITS, TWELVE_BITS, SIXTEEN_SIGNED, (12, 1)]),
    (uid.JPEGLSLossless, "dcmcjpls +el", [EIGHT_BITS, TWELVE_BITS, SIXTEEN_SIGNED]),
    (uid.JPEGLSNearLossless, "dcmcjpls +en +md 2", [EIGHT_BITS, TWELVE_BITS]),
    (uid.JPEG2000Lossless, "gdcmconv --j2k", [EIGHT_BITS, TWELVE_BITS, SIXTEEN_SIGNED, (12, 1)]),
    (uid.JPEG2000, "gdcmconv --j2k --lossy -r 4", [EIGHT_BITS, TWELVE_BITS]),
    (uid.RLELossless, "dcmcrle", [EIGHT_BITS, TWELVE_BITS, SIXTEEN_SIGNED]),
]
"""Each transfer syntax, a foreign program that writes it, and bits stored and signedness of images for it."""
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000)


def scan(bits: int, signed: int) -> NDArray[np.integer]:
    """A smooth image with noise that uses the whole range, of odd size, ``(33, 41)``."""
    row, column = np.mgrid[0:33, 0:41]
    noise = np.random.default_rng(bits).normal(0, 0.02, row.shape)
    level = np.clip((np.sin(row / 9) * np.cos(column / 11) + 1) / 2 + noise, 0, 1)
    values = np.rint(level * ((1 << bits) - 1)).astype(np.int64) - signed * (1 << bits - 1)
    stored: NDArray[np.integer] = values.astype(np.dtype(f"<{'i' if signed else 'u'}{1 if bits <= 8 else 2}"))
    return stored


def written(values: NDArray[np.integer], bits: int, path: Path) -> Path:
    """``values`` as an uncompressed file with one frame."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = uid.SecondaryCaptureImageStorage, "2.25.1"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.InstanceNumber = "2.25.2", "2.25.3", 1
    image.PatientID, image.Modality, image.PhotometricInterpretation = "X", "OT", "MONOCHROME2"
    image.Rows, image.Columns = values.shape
    image.SamplesPerPixel, image.PixelRepresentation = 1, int(values.dtype.kind == "i")
    image.BitsAllocated, image.BitsStored, image.HighBit = values.itemsize * 8, bits, bits - 1
    image.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    image["PixelData"].VR = "OW"
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    image.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    ("syntax", "program", "bits", "signed"),
    [(syntax, program, *kind) for syntax, program, kinds in ENCODERS for kind in kinds],
)
def test_what_a_foreign_program_encodes_has_the_pixels_of_a_second_decoder(
    tmp_path: Path, syntax: uid.UID, program: str, bits: int, signed: int
) -> None:
    values = scan(bits, signed)
    plain, encoded = written(values, bits, tmp_path / "plain.dcm"), tmp_path / "encoded.dcm"
    name, *options = program.split()
    subprocess.run([f"/usr/bin/{name}", *options, plain, encoded], check=True, capture_output=True)
    assert read_header(encoded).file_meta.TransferSyntaxUID == syntax
    decoded = decode_frames(read_header(encoded))
    assert decoded.shape == (1, 33, 41)
    assert decoded.dtype.isnative
    assert np.array_equal(decoded, second_values(encoded, tmp_path)[1])
    assert np.array_equal(decoded[0], values) == (syntax not in LOSSY)


@pytest.mark.parametrize(("bits", "signed"), [EIGHT_BITS, TWELVE_BITS])
@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K])
def test_high_throughput_jpeg_2000_has_the_pixels_of_openjph(
    tmp_path: Path, syntax: uid.UID, bits: int, signed: int
) -> None:
    values = scan(bits, signed)
    image = dcmread(written(values, bits, tmp_path / "plain.dcm"))
    lossless = syntax != uid.HTJ2K
    image.PixelData = encapsulate([bytes(htj2k_encode(values, reversible=lossless))])
    image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    image.file_meta.TransferSyntaxUID = syntax
    image.save_as(tmp_path / "encoded.dcm")
    decoded = decode_frames(image).astype(int)
    _, second = second_values(tmp_path / "encoded.dcm", tmp_path)
    assert np.abs(decoded - second).max() <= (0 if lossless else 1)
    assert np.array_equal(decoded[0], values) == lossless


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize(("name", "syntax", "outcome"), FILES)
def test_a_real_file_has_the_pixels_of_a_second_decoder_or_is_refused_as_the_page_says(
    tmp_path: Path, name: str, syntax: str, outcome: str
) -> None:
    path = shared_data("transfer-syntaxes") / name
    assert (dcmread(path, force=True, stop_before_pixels=True).file_meta.get("TransferSyntaxUID", "-"), outcome) == (
        syntax.strip("`"),
        outcome_of(path, tmp_path),
    )


def outcome_of(path: Path, folder: Path) -> str:
    """What the page says of a file: whose pixels it has, or why it is refused."""
    try:
        decoded = decode_frames(read_header(path))
    except InstanceError as refusal:
        return f"refused: {refusal}"
    name, second = second_values(path, folder)
    assert decoded.shape == second.shape
    if np.array_equal(decoded, second):
        return f"equal to {name}"
    return f"within {np.abs(decoded.astype(int) - second).max()} of {name}"


def test_the_page_has_every_real_file_once() -> None:
    assert [name for name, *_ in FILES] == sorted(path.name for path in shared_data("transfer-syntaxes").glob("*.dcm"))


def test_the_page_names_the_decoder_of_every_transfer_syntax() -> None:
    assert {(syntax, name): plugin for syntax, name, plugin in SYNTAXES} == {
        (str(syntax), syntax.name): f"`{plugin}`" if plugin else "native" for syntax, plugin in PLUGINS.items()
    }


@pytest.mark.parametrize(
    "name", ["US1_J2KR.dcm", "SC_ybr_full_uncompressed.dcm", "OBXXXX1A_rle.dcm", "SC_rgb_expb.dcm"]
)
def test_colour_and_palette_images_are_no_volume(name: str) -> None:
    path = shared_data("transfer-syntaxes") / name
    with pytest.raises(InputError, match=r"is not a greyscale image \(PhotometricInterpretation "):
        build_volume([path])


@pytest.mark.parametrize(
    ("program", "claim", "lie"),
    [
        ("dcmcjpeg", (33, 41, ">HH"), (65000, 65000, ">HH")),
        ("dcmcjpls", (33, 41, ">HH"), (65000, 65000, ">HH")),
        ("gdcmconv --j2k", (41, 33, ">II"), (60000, 60000, ">II")),
    ],
)
def test_a_frame_that_claims_to_be_larger_than_the_header_says_is_refused_before_it_takes_memory(
    tmp_path: Path, program: str, claim: tuple[int, int, str], lie: tuple[int, int, str]
) -> None:
    plain, encoded = written(scan(12, 0), 12, tmp_path / "plain.dcm"), tmp_path / "encoded.dcm"
    name, *options = program.split()
    subprocess.run([f"/usr/bin/{name}", *options, plain, encoded], check=True)
    image = dcmread(encoded)
    true, false = (struct.pack(kind, *sides) for *sides, kind in (claim, lie))
    assert true in image.PixelData
    image.PixelData = image.PixelData.replace(true, false)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InstanceError, match="image 1 has pixel data that are absent, cut short or damaged"):
        decode_frames(image)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB; the lie is of gigabytes


def test_a_deflated_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    plain, deflated = written(scan(12, 0), 12, tmp_path / "plain.dcm"), tmp_path / "deflated.dcm"
    subprocess.run(["/usr/bin/dcmconv", "+td", plain, deflated], check=True)
    deflated.write_bytes(deflated.read_bytes()[:-100])
    with pytest.raises(InstanceError, match="truncated: the deflated data set has no end"):
        read_header(deflated)


def test_pixels_that_do_not_lie_in_the_lowest_bits_are_refused(tmp_path: Path) -> None:
    image = dcmread(written(scan(12, 0), 12, tmp_path / "plain.dcm"))
    image.HighBit = 15
    with pytest.raises(InstanceError, match="its 12 bits below HighBit 15"):
        decode_frames(image)


def test_monochrome1_and_an_inverse_presentation_lut_leave_the_values_as_stored(tmp_path: Path) -> None:
    values = scan(12, 0)
    image = dcmread(written(values, 12, tmp_path / "plain.dcm"))
    image.PhotometricInterpretation, image.PresentationLUTShape = "MONOCHROME1", "INVERSE"
    assert np.array_equal(decode_stack([image])[0], values)


def test_a_modality_lut_is_applied_and_its_ends_hold_beyond_it(tmp_path: Path) -> None:
    values = scan(16, 1)
    image = dcmread(written(values, 16, tmp_path / "plain.dcm"))
    table = np.random.default_rng(3).integers(0, 65536, 5000)
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData, lut.ModalityLUTType = [5000, -2000, 16], table.astype("<u2").tobytes(), "US"
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "SS", "OW"
    image.ModalityLUTSequence = Sequence([lut])
    assert np.array_equal(decode_stack([image])[0], table[np.clip(values.astype(int) + 2000, 0, 4999)])
    lut.LUTData = b"\0\0"
    with pytest.raises(InstanceError, match="image 1 has a damaged ModalityLUTSequence"):
        decode_stack([image])


def test_a_slope_without_an_intercept_is_applied(tmp_path: Path) -> None:
    values = scan(12, 0)
    image = dcmread(written(values, 12, tmp_path / "plain.dcm"))
    image.RescaleSlope = 0.5
    assert np.array_equal(decode_stack([image])[0], values * 0.5)
