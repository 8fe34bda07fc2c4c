"""The indexer: which study an object belongs to, or why it cannot be used. No cut goes unnoticed."""

import random
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.receive.header import read_header
from ainode.receive.indexer import Indexer
from ainode.receive.spool import Spool
from ainode_models.errors import InstanceError
from peers.receiver import data_set_of, uid_of
from peers.shared_data import shared_data
from peers.tiny_series import write_series

SMALLEST = (
    "JPEG-LL.dcm",
    "OBXXXX1A_rle.dcm",
    "SC_rgb.dcm",
    "SC_rgb_expb.dcm",
    "emri_small.dcm",
    "emri_small_jpeg_2k_lossless.dcm",
    "emri_small_jpeg_ls_lossless.dcm",
    "explicit_VR-UN.dcm",
    "liver_deflate.dcm",
    "liver_rle.dcm",
    "parametric_map_float.dcm",
)
"""Real images in every kind of encoding, with and without nested sequences."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_series(tmp_path / "series", images=1, rows=8)[0]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[InstanceJournal]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.db'}")
    yield InstanceJournal(engine, time.time)
    engine.dispose()


def _rewritten(image: Path, syntax: UID) -> Path:
    """The same object with a nested sequence and trailing elements, in another encoding."""
    data_set = dcmread(image)
    inner = Dataset()
    inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = "1", "99TEST", "inner"
    outer = Dataset()
    outer.AnatomicRegionSequence = [inner]
    data_set.ReferencedImageSequence = [outer, outer]
    data_set["ReferencedImageSequence"].is_undefined_length = True
    data_set.DataSetTrailingPadding = b"\0" * 8
    data_set.file_meta.TransferSyntaxUID = syntax
    path = image.with_name(f"{syntax}.dcm")
    big = syntax == ExplicitVRBigEndian
    implicit = syntax == ImplicitVRLittleEndian
    dcmwrite(path, data_set, implicit_vr=implicit, little_endian=not big, enforce_file_format=True)
    return path


def _unnoticed(path: Path, cuts: list[int], work: Path) -> list[int]:
    """Those of ``cuts`` (bytes left of the file) after which the rest still passes for a whole object."""
    raw = path.read_bytes()
    passed = []
    for cut in cuts:
        work.write_bytes(raw[:cut])
        try:
            read_header(work)
        except InstanceError as exc:
            assert "send" in str(exc), exc
        else:
            passed.append(cut)
    return passed


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_a_file_cut_at_any_byte_is_no_whole_object(image: Path, syntax: UID) -> None:
    path = _rewritten(image, syntax)
    header = read_header(path)
    source = dcmread(image)
    assert (header.study_uid, header.series_uid) == (source.StudyInstanceUID, source.SeriesInstanceUID)
    assert (header.sop_class_uid, header.sop_instance_uid) == (source.SOPClassUID, source.SOPInstanceUID)
    size = path.stat().st_size
    passed = _unnoticed(path, list(range(size)), image.with_name("cut"))
    # Only what follows the pixels can go without a trace; the deflated file may be padded by one byte (PS3.5 A.5).
    padding = 16 if syntax == ImplicitVRLittleEndian else 20
    assert passed == ([size - 1] if syntax == DeflatedExplicitVRLittleEndian else [size - padding])


@pytest.mark.parametrize("name", SMALLEST)
def test_a_real_object_is_whole_and_no_cut_of_it_is(tmp_path: Path, name: str) -> None:
    path = shared_data("transfer-syntaxes") / name
    assert read_header(path).sop_instance_uid == uid_of(path)
    size = path.stat().st_size
    cuts = sorted({*range(10, size, max(10, size // 150)), *range(size - 24, size)})
    assert _unnoticed(path, cuts, tmp_path / "cut") == []


def test_pixel_data_that_end_without_a_delimiter_are_truncated() -> None:
    path = shared_data("transfer-syntaxes") / "emri_small_jpeg_2k_lossless_too_short.dcm"
    with pytest.raises(InstanceError, match=r"truncated.*\(7FE0,0010\)"):
        read_header(path)


def test_real_objects_of_many_makers_are_understood() -> None:
    files = [
        path
        for folder in ("mr-series", "enhanced-mr", "ct-chest", "chest-xray", "ihe-air-results")
        for path in sorted(shared_data(folder).rglob("*.dcm"))
    ]
    assert len(files) > 40
    for path in files:
        assert read_header(path).study_uid == dcmread(path, specific_tags=["StudyInstanceUID"]).StudyInstanceUID


def test_no_damage_makes_the_reader_fail_in_another_way_than_by_saying_so(tmp_path: Path, image: Path) -> None:
    chance = random.Random(4711)
    work = tmp_path / "damaged"
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        whole = _rewritten(image, syntax).read_bytes()
        for _ in range(400):
            damaged = bytearray(whole)
            for _ in range(chance.randint(1, 8)):
                damaged[chance.randrange(132, len(damaged))] = chance.randrange(256)
            work.write_bytes(damaged)
            try:
                read_header(work)
            except InstanceError:
                continue


def test_sequences_nested_without_end_are_refused(image: Path) -> None:
    head = image.read_bytes()[: -len(data_set_of(image))]
    item = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    image.write_bytes(head + item * 5000)
    with pytest.raises(InstanceError, match="nested deeper"):
        read_header(image)


def test_a_deflated_object_that_grows_without_end_does_not_fill_the_memory(image: Path) -> None:
    path = _rewritten(image, DeflatedExplicitVRLittleEndian)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    huge = b"\x09\x00\x01\x10UN\0\0" + (2**26).to_bytes(4, "little")
    bomb = packer.compress(huge) + b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    path.write_bytes(path.read_bytes()[: -len(data_set_of(path))] + bomb)
    tracemalloc.start()
    with pytest.raises(InstanceError, match="SOPClassUID"):
        read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**21


def test_an_object_is_indexed_under_its_study_and_series(tmp_path: Path, journal: InstanceJournal) -> None:
    spool = Spool(tmp_path / "spool")
    paths = write_series(tmp_path / "series", images=3)
    journal.stored([_kept(spool, path) for path in paths])
    assert Indexer(journal, spool).step() == 3
    source = dcmread(paths[0])
    rows = journal.of_study(source.StudyInstanceUID)
    assert [row.sop_instance_uid for row in rows] == [uid_of(path) for path in paths]
    assert {(row.series_uid, row.sop_class_uid) for row in rows} == {(source.SeriesInstanceUID, source.SOPClassUID)}
    assert Indexer(journal, spool).step() == 0


def _kept(spool: Spool, path: Path, uid: str | None = None) -> StoredInstance:
    name = uid or uid_of(path)
    kept = spool.write(name, (path.read_bytes(),))
    return StoredInstance(name, kept.sha256, kept.path, kept.bytes, "C-STORE SCU")


def _without(image: Path, keyword: str, value: str | None = None) -> Path:
    data_set = dcmread(image)
    del data_set[keyword]
    if value:
        setattr(data_set, keyword, value)
    path = image.with_name(f"{keyword}.dcm")
    data_set.save_as(path, enforce_file_format=False)
    return path


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_what_cannot_be_used_stays_in_the_spool_and_says_why(
    tmp_path: Path, image: Path, journal: InstanceJournal
) -> None:
    text = tmp_path / "text"
    text.write_text("no DICOM at all " * 100)
    short = _without(image, "PixelData")
    half = dcmread(image)
    half.NumberOfFrames = 2
    half.save_as(tmp_path / "half.dcm")
    spool = Spool(tmp_path / "spool")
    broken = {
        "no DICOM file": _kept(spool, text, "1.2.3"),
        "truncated: an image without PixelData": _kept(spool, short),
        "has 128 bytes, but its frames need 256": _kept(spool, tmp_path / "half.dcm"),
        "SOPInstanceUID (0008,0018) differs": _kept(spool, image, "1.2.3.4"),
        "StudyInstanceUID (0020,000D) is missing": _kept(spool, _without(image, "StudyInstanceUID")),
        "SeriesInstanceUID (0020,000E) is no valid UID": _kept(spool, _without(image, "SeriesInstanceUID", "../1")),
    }
    journal.stored(list(broken.values()))
    assert Indexer(journal, spool).step() == len(broken)
    refused = journal.refusals()
    assert [(row.path, expected in str(row.reason)) for row, expected in zip(refused, broken, strict=True)] == [
        (stored.path, True) for stored in broken.values()
    ]
    assert all(spool.path_of(row.path).is_file() for row in refused)


def test_an_object_waits_while_the_spool_cannot_be_read_and_is_refused_when_only_its_file_is_gone(
    tmp_path: Path, image: Path, journal: InstanceJournal
) -> None:
    spool = Spool(tmp_path / "spool")
    stored = _kept(spool, image)
    journal.stored([stored])
    spool.folder.rename(tmp_path / "unmounted")
    with pytest.raises(FileNotFoundError):
        Indexer(journal, spool).step()
    (tmp_path / "unmounted").rename(spool.folder)
    spool.path_of(stored.path).unlink()
    assert Indexer(journal, spool).step() == 1
    (refused,) = journal.refusals()
    assert "gone from the spool" in str(refused.reason)
