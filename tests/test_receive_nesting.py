"""No object whose sequences are nested without end gets further than the header, however its lengths are written."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import split_dataset

from ainode.receive.header import read_header
from ainode.study import read_studies
from ainode.volume.builder import build_volume
from ainode.volume.builder import read_header as volume_header
from ainode_dicom_sr.source import decoded_header
from ainode_models.errors import AinodeError, InstanceError
from peers import pdus
from peers.commitment import commitment_node
from peers.line import Line
from peers.tiny_series import write_series

LEVELS = 5000
REFERENCED_IMAGES, PATIENT_NAME = 0x0008_1140, 0x0010_0010
Header = Callable[[int, bytes, int], bytes]


def headers(syntax: str) -> Header:
    """Writes tag, VR and length as ``syntax`` does."""
    order = ">" if syntax == ExplicitVRBigEndian else "<"

    def header(tag: int, vr: bytes, length: int) -> bytes:
        start = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
        long = struct.pack(f"{order}L", length)
        return start + (long if syntax == ImplicitVRLittleEndian or not vr else vr + b"\0\0" + long)

    return header


def nested(levels: int, header: Header, *, stated: str, vr: bytes = b"SQ") -> bytes:
    """Sequences in each other; ``stated`` are the lengths that are written: of ``both``, ``items``, or ``neither``."""
    inner = b""
    for _ in range(levels):
        if stated in ("both", "items"):
            item = header(0xFFFE_E000, b"", len(inner)) + inner
        else:
            item = header(0xFFFE_E000, b"", 0xFFFFFFFF) + inner + header(0xFFFE_E00D, b"", 0)
        if stated == "both":
            inner = header(REFERENCED_IMAGES, vr, len(item)) + item
        else:
            inner = header(REFERENCED_IMAGES, vr, 0xFFFFFFFF) + item + header(0xFFFE_E0DD, b"", 0)
    return inner


def with_nest(folder: Path, syntax: str, nest: bytes) -> Path:
    """A CT image with ``nest`` as its Referenced Image Sequence."""
    (path,) = write_series(folder, images=1)
    image = dcmread(path)
    image.file_meta.TransferSyntaxUID = UID(syntax)
    big, implicit = syntax == ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    dcmwrite(path, image, implicit_vr=implicit, little_endian=not big)
    raw, start = path.read_bytes(), split_dataset(path)[1]
    at = raw.index(headers(syntax)(PATIENT_NAME, b"", 0)[:4], start)
    path.write_bytes(raw[:at] + nest + raw[at:])
    return path


@pytest.mark.parametrize("stated", ["both", "items", "neither"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_sequences_nested_5000_deep_are_refused_at_the_door_and_break_no_reader(
    tmp_path: Path, syntax: str, stated: str
) -> None:
    path = with_nest(tmp_path, syntax, nested(LEVELS, headers(syntax), stated=stated))
    with pytest.raises(InstanceError, match=r"nested deeper than 64 levels"):
        read_header(path)
    read_studies([path])
    for read in (volume_header, lambda path: build_volume([path]), lambda path: decoded_header(volume_header(path))):
        try:
            read(path)
        except AinodeError as error:
            assert "send" in str(error)


@pytest.mark.parametrize("stated", ["both", "items", "neither"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_sequences_as_deep_as_any_are_no_fault(tmp_path: Path, syntax: str, stated: str) -> None:
    path = with_nest(tmp_path, syntax, nested(60, headers(syntax), stated=stated))
    assert read_header(path)
    assert build_volume([path])
    assert decoded_header(volume_header(path))


def test_wide_sequences_and_private_ones_that_are_none_are_no_fault(tmp_path: Path) -> None:
    header = headers(ExplicitVRLittleEndian)
    item = header(0xFFFE_E000, b"", 0) * 300
    broken = header(0xFFFE_E000, b"", 0xFFFFFFF0) + item
    wide = header(0x0008_1115, b"SQ", len(item)) + item + header(0x0009_1001, b"UN", len(broken)) + broken
    assert read_header(with_nest(tmp_path, ExplicitVRLittleEndian, wide))


@pytest.mark.parametrize("stated", ["both", "neither"])
def test_a_commitment_request_nested_5000_deep_is_refused_and_the_next_is_served(tmp_path: Path, stated: str) -> None:
    contexts = {1: ("1.2.840.10008.1.20.1", str(ImplicitVRLittleEndian)), 3: (str(CTImageStorage), "1.2.840.10008.1.2")}
    nest = nested(LEVELS, headers(ImplicitVRLittleEndian), stated=stated).replace(b"\x08\0\x40\x11", b"\x08\0\x99\x11")
    with commitment_node(tmp_path, calling="FUZZ") as node:
        for _ in range(2):
            with Line(node.port).associate(contexts) as line:
                line.send(b"".join(pdus.message(1, pdus.command_set(pdus.action_command()), nest)))
                kind, body = line.reply(30)
                assert kind == pdus.P_DATA
                assert pdus.status_of(body) in (0x0110, 0x0115)
