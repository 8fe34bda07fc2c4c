"""Nothing that a peer sends brings the receiver down, holds it up, fills its memory or writes outside its spool."""

import socket
import struct
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom.dsutils import split_dataset
from structlog.testing import capture_logs

from ainode import inflater
from ainode.dicom_file import read_dicom
from ainode.receive.header import read_header
from ainode.receive.indexer import Indexer
from ainode.receive.options import Caller
from ainode.receive.statuses import Status
from ainode.study import read_studies
from ainode.volume import size
from ainode.volume.builder import build_volume
from ainode.volume.builder import read_header as volume_header
from ainode.volume.frames import decode_frames
from ainode_models.errors import InstanceError
from peers import pdus
from peers.fuzz_run import run_batches, unsettled
from peers.fuzzer import Fuzzer, with_uid
from peers.line import CLOSED, SILENT, Line
from peers.mutations import BAD_UIDS, OUTSIDE
from peers.receiver import LOOPBACK, OPTIONS, association, receiver, store, uid_of
from peers.seeds import seeds
from peers.tiny_series import write_series
from peers.volume_reader import READ, REFUSED, outcomes
from peers.watched_node import WatchedNode

OPEN = replace(OPTIONS, callers=(Caller("*", LOOPBACK),))
CT = {1: (str(CTImageStorage), str(ExplicitVRLittleEndian)), 3: ("1.2.840.10008.1.1", "1.2.840.10008.1.2")}


def test_peers_that_leave_without_a_request_hold_no_place(tmp_path: Path) -> None:
    options = replace(OPTIONS, max_associations=2)
    with receiver(tmp_path, options=options) as node:
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x01\0\0\0\0\4what") * 4:
            with socket.create_connection(("127.0.0.1", node.port)) as stranger:
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
                while stranger.recv(100):
                    pass
        with association(node) as assoc:
            assert assoc.is_established
            assert store(assoc, b"data", sop_instance_uid="1.2.3") == 0


@pytest.mark.parametrize(
    "fatal",
    [
        pdus.pdu(pdus.ABORT, b"\0\0\x69\0"),  # by nobody that there is
        pdus.pdu(pdus.RELEASE_RQ, bytes(4)),
        pdus.pdu(pdus.RELEASE_RQ, b""),
        pdus.pdu(pdus.P_DATA, b"\0\0\0\1"),
    ],
)
def test_whatever_ends_an_association_within_an_object_leaves_nothing_of_it(tmp_path: Path, fatal: bytes) -> None:
    with receiver(tmp_path, options=OPEN) as node, Line(node.port).associate(CT) as line:
        command = pdus.command_set(pdus.store_command(CTImageStorage, "1.2.3"))
        begun, *_ = pdus.message(1, command, None)
        line.send(begun + pdus.pdu(pdus.P_DATA, pdus.pdv(1, b"half of it", control=0)) + fatal)
        assert line.end(10)[-1][0] != SILENT
        node.wait_until_idle()
        assert node.files() == []


@pytest.mark.parametrize("missing", range(4))
def test_a_command_that_lacks_an_element_ends_its_association(tmp_path: Path, missing: int) -> None:
    with capture_logs() as lines, receiver(tmp_path, options=OPEN) as node, Line(node.port).associate(CT) as line:
        elements = pdus.echo_command()
        del elements[missing]
        line.send(b"".join(pdus.message(3, pdus.command_set(elements), None)))
        said = line.end(10)
        assert said[-1][0] != SILENT
        node.wait_until_idle()
    assert [told["ended"] for told in lines if told["event"] == "association"] == ["aborted"]


def deflated(folder: Path, chunks: int, chunk: bytes = bytes(1 << 20)) -> Path:
    """A deflated CT image that ends in ``chunks`` times ``chunk`` as Pixel Data."""
    (path,) = write_series(folder, images=1)
    image = dcmread(path)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.PixelData = b""
    image.save_as(path)
    head = path.read_bytes()
    start = split_dataset(path)[1]
    plain = zlib.decompress(head[start:], -zlib.MAX_WBITS).rpartition(b"\xe0\x7f\x10\0")[0]
    plain += b"\xe0\x7f\x10\0OW\0\0" + (chunks * len(chunk)).to_bytes(4, "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(plain) + b"".join(packer.compress(chunk) for _ in range(chunks)) + packer.flush()
    path.write_bytes(head[:start] + packed)
    return path


def test_a_deflated_file_that_is_no_bomb_is_read_as_ever(tmp_path: Path) -> None:
    path = deflated(tmp_path, 1, bytes(512))
    assert read_header(path).sop_instance_uid == uid_of(path)
    ours, theirs = read_dicom(path), dcmread(path)
    assert ours == theirs
    assert (ours.file_meta, ours.preamble, ours.filename) == (theirs.file_meta, theirs.preamble, theirs.filename)
    assert ours.original_encoding == theirs.original_encoding
    assert build_volume([path]).volume.array.shape == (1, 16, 16)
    del theirs.PixelData
    assert read_dicom(path, pixels=False) == theirs


def test_a_deflated_bomb_is_refused_before_it_fills_the_memory_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inflater.MOST_INFLATED == 1 << 29
    monkeypatch.setattr(inflater, "MOST_INFLATED", 1 << 24)
    path = deflated(tmp_path, 256)
    for read in (read_header, volume_header, lambda path: build_volume([path])):
        tracemalloc.start()
        with pytest.raises(InstanceError, match="inflates to more than 16 MiB"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * inflater.MOST_INFLATED
        tracemalloc.stop()
    (skipped,) = read_studies([path]).skipped
    assert "inflates to more than" in skipped.reason


def compressed(folder: Path, syntax: UID, frame: bytes, **claims: object) -> Path:
    """A CT image with one compressed frame and other claims of its size."""
    (path,) = write_series(folder, images=1)
    image = dcmread(path)
    image.file_meta.TransferSyntaxUID = syntax
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit = 7
    for keyword, value in claims.items():
        setattr(image, keyword, value)
    image.PixelData = encapsulate([frame])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    image.save_as(path)
    return path


GREY = np.zeros((16, 16), np.uint8)
FRAMES = {
    RLELossless: struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 8,
    JPEGBaseline8Bit: bytes(imagecodecs.jpeg8_encode(GREY)),
    JPEG2000Lossless: bytes(imagecodecs.jpeg2k_encode(GREY, codecformat="j2k", reversible=True)),
    JPEGLSLossless: bytes(imagecodecs.jpegls_encode(GREY)),
}


@pytest.mark.parametrize("syntax", list(FRAMES))
@pytest.mark.parametrize(
    "claims",
    [
        {"Rows": 60_000, "Columns": 60_000},
        {"Rows": 65_535, "Columns": 1_025},
        {"NumberOfFrames": 2**31 - 1},
        {"SamplesPerPixel": 65_535, "Rows": 2_000},
    ],
    ids="-".join,
)
def test_a_header_that_claims_more_pixels_than_there_can_be_takes_no_memory(
    tmp_path: Path, syntax: UID, claims: dict[str, object]
) -> None:
    frame = FRAMES[syntax]
    if "Columns" in claims:  # the frame tells the same tale
        sizes = b"\0\x10\0\x10", b"\0\0\0\x10\0\0\0\x10"
        rows, columns = (int(str(claims[name])) for name in ("Rows", "Columns"))
        frame = frame.replace(sizes[0], struct.pack(">HH", rows, columns))
        frame = frame.replace(sizes[1], struct.pack(">II", columns, rows))
    path = compressed(tmp_path, syntax, frame, **claims)
    assert read_header(path)
    tracemalloc.start()
    with pytest.raises(InstanceError, match=r"which is more than can be read"):
        decode_frames(volume_header(path))
    if "NumberOfFrames" not in claims:
        with pytest.raises(InstanceError, match=r"which is more than can be read"):
            build_volume([path])
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_a_series_of_more_voxels_than_a_volume_may_have_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert size.MOST_IN_VOLUME == 1 << 30
    monkeypatch.setattr(size, "MOST_IN_VOLUME", 500)
    with pytest.raises(InstanceError, match=r"the series has 512 voxels"):
        build_volume(write_series(tmp_path, images=2))


def test_a_proposal_that_cannot_be_negotiated_is_aborted_at_once(tmp_path: Path) -> None:
    application, _context, user = pdus.associate_items({1: CT[1]})
    nothing = pdus.item(0x20, bytes((1, 0, 0, 0)) + pdus.item(0x40, b"1.2.840.10008.1.2"))
    with receiver(tmp_path, options=OPEN) as node, Line(node.port) as line:
        line.send(pdus.associate_rq([application, nothing, user]))
        assert line.reply(10)[0] == pdus.ABORT


@pytest.mark.parametrize("keyword", ["SOPClassUID", "HighBit", "SamplesPerPixel", "BitsAllocated"])
def test_an_element_that_is_damaged_is_named(tmp_path: Path, keyword: str) -> None:
    (path,) = write_series(tmp_path, images=1)
    tag = Tag(keyword)
    head = struct.pack("<HH", tag.group, tag.element)
    path.write_bytes(path.read_bytes().replace(head + (b"UI" if "UID" in keyword else b"US"), head + b"Q?"))
    for read in (build_volume, lambda paths: decode_frames(volume_header(paths[0]))):
        with pytest.raises(InstanceError, match=f"damaged {keyword}"):
            read([path])


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("damage", ["NumberOfFrames=nan", "ReferencedFrameNumber=nan", "ReferencedFrameNumber=-1"])
def test_a_number_that_no_image_can_have_is_refused(tmp_path: Path, damage: str) -> None:
    (path,) = write_series(tmp_path, images=1)
    keyword, _, value = damage.partition("=")
    image, tag = dcmread(path), Tag(keyword)
    image[tag] = RawDataElement(tag, "IS", 4, value.ljust(4).encode(), 0, False, True)
    image.save_as(path)
    with pytest.raises(InstanceError, match=r"damaged|no pixel data"):
        build_volume([path])


def test_a_compressed_image_without_a_frame_is_refused(tmp_path: Path) -> None:
    path = compressed(tmp_path, RLELossless, FRAMES[RLELossless])
    raw = path.read_bytes()
    at = raw.index(b"\xe0\x7f\x10\0OB") + 12
    path.write_bytes(raw[:at] + b"\xfe\xff\0\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4))
    with pytest.raises(InstanceError, match="absent, cut short or damaged"):
        decode_frames(volume_header(path))


ENDLESS = {
    "C-ECHO with a data set": [*pdus.echo_command()[:3], pdus.element(0x0800, b"\1\0")],
    "N-ACTION": pdus.action_command(),
    "the same command again and again": pdus.action_command(),
}


@pytest.mark.parametrize("what", list(ENDLESS))
def test_a_message_without_end_that_is_held_in_memory_ends_its_association(tmp_path: Path, what: str) -> None:
    with receiver(tmp_path, options=OPEN) as node, Line(node.port).associate(CT) as line:
        command = pdus.command_set([*ENDLESS[what], pdus.element(0x1031, bytes(60_000))])
        (begin,) = pdus.message(3, command, None)
        more = begin if "again" in what else pdus.pdu(pdus.P_DATA, pdus.pdv(3, bytes(1 << 17), control=0))
        line.send(begin)
        tracemalloc.start()
        for _ in range((1 << 26) // len(more)):
            line.send(more)
        said = line.end(10)
        assert tracemalloc.get_traced_memory()[1] < 3 << 24
        tracemalloc.stop()
        assert said[0][0] in (pdus.ABORT, CLOSED)


def test_an_object_without_end_takes_no_memory(tmp_path: Path) -> None:
    with receiver(tmp_path, options=OPEN) as node, Line(node.port).associate(CT) as line:
        line.send(pdus.message(1, pdus.command_set(pdus.store_command(CTImageStorage, "1.2.3")), None)[0])
        more = pdus.pdu(pdus.P_DATA, pdus.pdv(1, bytes(1 << 17), control=0))
        tracemalloc.start()
        for _ in range(512):
            assert line.send(more)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 21
        line.send(pdus.pdu(pdus.P_DATA, pdus.pdv(1, b"", control=2)))
        kind, body = line.reply(30)
        assert (kind, pdus.status_of(body)) == (pdus.P_DATA, 0)


@pytest.mark.parametrize("bad", [uid for uid in BAD_UIDS if uid.rstrip("\0 ")], ids=ascii)
def test_an_object_under_a_uid_that_is_none_is_refused_and_never_a_name_of_a_file(tmp_path: Path, bad: str) -> None:
    with receiver(tmp_path / "a" / "b" / "node", options=OPEN) as node, Line(node.port).associate(CT) as line:
        command = pdus.command_set(pdus.store_command(CTImageStorage, bad))
        line.send(b"".join(pdus.message(1, command, b"data")))
        kind, body = line.reply(30)
        refused = kind == pdus.P_DATA and pdus.status_of(body) == Status.INVALID_SOP_INSTANCE.code
        assert refused or kind in (pdus.ABORT, CLOSED)
        node.wait_until_idle(but=refused)
        assert node.files() == []
        assert {path.name for path in tmp_path.rglob("*") if OUTSIDE in path.name} == set()


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("bad", BAD_UIDS, ids=ascii)
def test_an_object_of_a_study_or_series_that_is_none_is_refused_by_name(tmp_path: Path, keyword: str, bad: str) -> None:
    (path,) = write_series(tmp_path, images=1)
    path.write_bytes(with_uid(path.read_bytes(), Tag(keyword).element, bad))
    with pytest.raises(InstanceError, match=rf"{keyword} .* (is no valid UID|is missing)"):
        read_header(path)


def test_hundreds_of_broken_conversations_leave_the_node_as_it_was(tmp_path: Path) -> None:
    with WatchedNode(tmp_path / "root") as node:
        known = seeds(tmp_path / "seeds")
        fuzzer = Fuzzer(node.port, known, seed="ci")
        idle = {field: node.status(field) for field in ("VmRSS", "Threads")}
        tally = run_batches(node, fuzzer, known[0], count=300, batch=100, told=lambda _: None)
        node.wait(lambda: not unsettled(node, tally), "an end of indexing")
        node.wait(lambda: node.status("Threads") <= idle["Threads"] + 2, "the end of all associations")
        assert (tally.outcomes.total(), tally.of("hang"), tally.checks, tally.checks_failed) == (300, 0, 3, [])
        assert len(tally.acknowledged) > 90
        assert node.outside() == []
        assert list((node.spool / "incoming").iterdir()) == []
        assert "Traceback" not in node.log.read_text()
        assert node.status("VmHWM") < idle["VmRSS"] + (150 << 10)
        paths = sorted({node.spool / path for _, path, _, _ in node.rows()})[:50]
        found = [what for _, what in outcomes(paths)]
    assert len(found) == len(paths)
    assert set(found) <= {READ, REFUSED}


@pytest.mark.parametrize(
    "element", [b"\2\0\3\0UI\6\0" + b"9.9.9\0", b"\2\0\3\0UI\4\0" + b"../x", b"\2\0\3\0OB\0\0\xff"]
)
def test_a_data_set_that_begins_like_a_file_does_not_speak_for_the_file(tmp_path: Path, element: bytes) -> None:
    with receiver(tmp_path, options=OPEN) as node, Line(node.port).associate(CT) as line:
        command = pdus.command_set(pdus.store_command(CTImageStorage, "1.2.3"))
        line.send(b"".join(pdus.message(1, command, element)))
        assert pdus.status_of(line.reply(30)[1]) == 0
        assert [row.sop_instance_uid for row in node.rows()] == ["1.2.3"]
        assert Indexer(node.journal, node.spool).step() == 1
        assert len(node.journal.refusals()) == 1
