"""The listener against dcmtk's own programs, and the order in which it does things."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from ainode.receive import store_lane
from ainode.receive.command_set import StoreRequest, store_response
from ainode_dicom_sr.objects import IMPLEMENTATION_CLASS_UID
from peers import dcmtk
from peers.receiver import Receiver, association, data_set_of, receiver, store, uid_of
from peers.shared_data import shared_data
from peers.tiny_series import write_series

REAL = {
    "color-pl.dcm": ("-xe", ExplicitVRLittleEndian),
    "gdcm-US-ALOKA-16.dcm": ("-xi", ImplicitVRLittleEndian),
    "SC_rgb_expb.dcm": ("-xb", ExplicitVRBigEndian),
    "liver.dcm": ("-xd", DeflatedExplicitVRLittleEndian),
    "OBXXXX1A_rle.dcm": ("-xr", RLELossless),
    "JPGLosslessP14SV1_1s_1f_8b.dcm": ("-xs", JPEGLosslessSV1),
    "emri_small_jpeg_ls_lossless.dcm": ("-xt", JPEGLSLossless),
    "693_J2KR.dcm": ("-xv", JPEG2000Lossless),
}
"""A real object, storescu's option that proposes its transfer syntax, and that syntax."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path / "node") as running:
        yield running


def _sent(node: Receiver, paths: Path | list[Path], *options: str) -> None:
    dcmtk.storescu(paths, "127.0.0.1", node.port, calling="SCU", options=options)


def _stored(node: Receiver) -> dict[str, Path]:
    return {row.sop_instance_uid: node.spool.path_of(row.path) for row in node.rows()}


def test_echoscu_is_answered(node: Receiver) -> None:
    assert dcmtk.echoscu("127.0.0.1", node.port, calling="SCU", called="WHOEVER")


def test_what_storescu_sends_lies_on_disk_as_a_dicom_file_that_says_where_it_came_from(
    node: Receiver, tmp_path: Path
) -> None:
    paths = write_series(tmp_path / "series", images=3)
    _sent(node, paths)
    stored = _stored(node)
    assert list(stored) == [uid_of(path) for path in paths]
    for path in paths:
        kept = stored[uid_of(path)]
        assert data_set_of(kept) == data_set_of(path)
        meta = read_file_meta_info(kept)
        assert meta.MediaStorageSOPInstanceUID == uid_of(path)
        assert meta.SourceApplicationEntityTitle == "SCU"
        assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert {row.source for row in node.rows()} == {"C-STORE SCU"}
    assert [row.bytes for row in node.rows()] == [path.stat().st_size for path in stored.values()]


def test_in_every_encoding_the_data_set_is_byte_for_byte_what_dcmtks_receiver_gets(
    node: Receiver, tmp_path: Path
) -> None:
    folder = shared_data("transfer-syntaxes")
    scp = dcmtk.StoreScp(tmp_path / "scp")
    with scp:
        for name, (option, _) in REAL.items():
            _sent(node, folder / name, option)
            dcmtk.storescu(folder / name, "127.0.0.1", scp.port, options=(option,))
        theirs = {uid_of(path): path for path in scp.files()}
    ours = _stored(node)
    assert ours.keys() == theirs.keys() == {uid_of(folder / name) for name in REAL}
    for name, (_, syntax) in REAL.items():
        uid = uid_of(folder / name)
        assert read_file_meta_info(ours[uid]).TransferSyntaxUID == syntax, name
        assert data_set_of(ours[uid]) == data_set_of(theirs[uid]), name


def test_a_codestream_that_nothing_here_can_decode_is_kept_untouched(node: Receiver) -> None:
    path = shared_data("transfer-syntaxes") / "HTJ2KLossless_08_RGB.dcm"
    image = dcmread(path, stop_before_pixels=True)
    with association(node, {image.SOPClassUID: [HTJ2KLossless]}) as assoc:
        assert store(assoc, data_set_of(path), sop_instance_uid=image.SOPInstanceUID) == 0x0000
    (kept,) = _stored(node).values()
    assert data_set_of(kept) == data_set_of(path)
    assert dcmread(kept).file_meta.TransferSyntaxUID == HTJ2KLossless


def test_sending_again_makes_no_second_row_and_no_second_file(node: Receiver, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "series", images=2)
    _sent(node, paths)
    _sent(node, paths)
    assert [row.sop_instance_uid for row in node.rows()] == [uid_of(path) for path in paths]
    assert len(node.files()) == 2


def test_another_object_under_the_same_uid_does_not_replace_the_first(node: Receiver, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    changed = dcmread(path)
    changed.SeriesDescription = "changed"
    changed.save_as(tmp_path / "changed.dcm")
    _sent(node, [path, tmp_path / "changed.dcm"])
    kept = [data_set_of(node.spool.path_of(row.path)) for row in node.rows()]
    assert kept == [data_set_of(path), data_set_of(tmp_path / "changed.dcm")]


def test_success_is_sent_when_file_and_name_are_safe(
    node: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    steps: list[str] = []
    sync = os.fsync

    def spy_sync(descriptor: int) -> None:
        sync(descriptor)
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().relative_to(node.spool.folder)}")

    def spy_answer(request: StoreRequest, context_id: int, status: int) -> bytes:
        steps.append("answer")
        return store_response(request, context_id, status)

    monkeypatch.setattr(os, "fsync", spy_sync)
    monkeypatch.setattr(store_lane, "store_response", spy_answer)
    _sent(node, path)
    (name,) = (file.name for file in node.files())
    assert steps == [f"sync new/{name}", "sync new", "answer"]


def test_several_senders_at_once_lose_nothing(node: Receiver, tmp_path: Path) -> None:
    series = [write_series(tmp_path / seed, images=8, seed=seed) for seed in "123"]
    with association(node) as one, association(node) as two, association(node) as three:
        for group in zip(*series, strict=True):
            for assoc, path in zip((one, two, three), group, strict=True):
                assert store(assoc, data_set_of(path), sop_instance_uid=uid_of(path)) == 0x0000
    assert set(_stored(node)) == {uid_of(path) for paths in series for path in paths}


def test_stopping_ends_open_associations_and_frees_the_port(tmp_path: Path) -> None:
    with receiver(tmp_path / "node") as node, association(node) as assoc:
        port = node.port
        node.listener.stop()
        assoc.join(20)
        assert assoc.is_aborted
        node.listener.stop()
    assert not dcmtk.echoscu("127.0.0.1", port, calling="SCU")


def test_the_journal_can_be_read_while_objects_come_in(node: Receiver, tmp_path: Path) -> None:
    with sqlite3.connect(node.database) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from instances").fetchone()
        _sent(node, write_series(tmp_path / "series", images=2))
    reader.close()
    assert len(node.committed()) == 2
