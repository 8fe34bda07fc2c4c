"""Who may open an association with the listener, and for what."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, MRImageStorage
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.association import Association

from ainode.receive.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES, VERIFICATION
from ainode.receive.options import Caller
from ainode_models.errors import SettingsError
from peers import dcmtk
from peers.receiver import OPTIONS, Receiver, association, data_set_of, receiver, store, uid_of
from peers.tiny_series import write_series

PRIVATE = "1.2.826.0.1.3680043.8.498.77.1"
NUCLEAR_MEDICINE_RETIRED = "1.2.840.10008.5.1.4.1.1.5"
NOT_STORAGE = "1.2.840.10008.5.1.4.38.1"  # Hanging Protocol Storage: belongs to no patient
CALLER_NOT_RECOGNISED = (1, 1, 3)
LOCAL_LIMIT = (2, 3, 2)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Receiver]:
    callers = (Caller("SCU", "127.0.0.1"), Caller("OTHER", "127.0.0.8/29"), Caller("*", "127.0.0.99"))
    with receiver(tmp_path / "node", options=replace(OPTIONS, callers=callers)) as running:
        yield running


def _rejection(assoc: Association) -> tuple[int | None, int | None, int | None] | None:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4); None when the association stands."""
    if assoc.is_established:
        return None
    answer = assoc.acceptor.primitive
    assert answer is not None, "no answer at all"
    return answer.result, answer.result_source, answer.diagnostic


def test_title_and_address_of_a_caller_must_be_listed_together(node: Receiver) -> None:
    for title, source, expected in (
        ("SCU", "127.0.0.1", None),
        ("SCU", "127.0.0.9", CALLER_NOT_RECOGNISED),
        ("OTHER", "127.0.0.9", None),
        ("OTHER", "127.0.0.1", CALLER_NOT_RECOGNISED),
        ("OTHER", "127.0.0.16", CALLER_NOT_RECOGNISED),
        ("STRANGER", "127.0.0.1", CALLER_NOT_RECOGNISED),
        ("scu", "127.0.0.1", CALLER_NOT_RECOGNISED),
        ("ANYBODY", "127.0.0.99", None),
    ):
        with association(node, title=title, source=source) as assoc:
            assert _rejection(assoc) == expected, f"{title} at {source}"


def test_dcmtk_shows_why_a_stranger_is_refused_and_nothing_is_stored(node: Receiver, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "series", images=1)
    done = dcmtk.storescu(paths, "127.0.0.1", node.port, calling="STRANGER", check=False)
    assert "Calling AE Title Not Recognized" in done.stdout + done.stderr
    assert not dcmtk.echoscu("127.0.0.1", node.port, calling="STRANGER")
    assert node.files() == []


def test_nobody_may_call_when_nobody_is_listed(tmp_path: Path) -> None:
    with receiver(tmp_path, options=replace(OPTIONS, callers=())) as node, association(node) as assoc:
        assert _rejection(assoc) == CALLER_NOT_RECOGNISED


def test_an_address_that_is_none_is_refused_when_the_settings_are_read() -> None:
    with pytest.raises(SettingsError, match=r"10\.0\.0\.0/99"):
        Caller("SCU", "10.0.0.0/99")


@pytest.mark.parametrize("peer", ["10.1.2.9", "::ffff:10.1.2.9", "::ffff:10.1.2.9%eth0"])
def test_an_ipv4_peer_is_known_however_its_socket_shows_it(peer: str) -> None:
    assert Caller("SCU ", "10.1.2.0/24").allows("SCU ", peer) is False
    assert Caller("SCU", "10.1.2.0/24").allows("SCU ", peer)
    assert not Caller("SCU", "fe80::/10").allows("SCU", peer)


def test_one_association_more_than_allowed_is_rejected_for_now(tmp_path: Path) -> None:
    with receiver(tmp_path, options=replace(OPTIONS, max_associations=1)) as node:
        with association(node) as first:
            assert _rejection(first) is None
            with association(node) as second:
                assert _rejection(second) == LOCAL_LIMIT
        first.join(20)
        _wait_until_idle(node)
        with association(node) as third:
            assert _rejection(third) is None


def _wait_until_idle(node: Receiver) -> None:
    server = node.listener._server
    assert server is not None
    for open_association in server.active_associations:
        open_association.join(20)


def test_a_port_that_is_taken_is_reported_with_its_number(node: Receiver, tmp_path: Path) -> None:
    taken = replace(OPTIONS, port=node.port)
    with pytest.raises(SettingsError, match=str(node.port)), receiver(tmp_path / "second", options=taken):
        pass


def test_the_largest_pdu_is_announced(tmp_path: Path) -> None:
    with receiver(tmp_path, options=replace(OPTIONS, max_pdu=54_321)) as node, association(node) as assoc:
        assert assoc.acceptor.maximum_length == 54_321


def test_every_storage_class_is_accepted_compressed(node: Receiver) -> None:
    classes = sorted(STORAGE_CLASSES)
    assert {str(context.abstract_syntax) for context in AllStoragePresentationContexts} < set(classes)
    accepted: set[str] = set()
    for start in range(0, len(classes), 128):  # contexts have odd one-byte identifiers (PS3.8 9.3.2.2)
        proposals = {uid: [JPEG2000Lossless] for uid in classes[start : start + 128]}
        with association(node, proposals) as assoc:
            accepted |= {str(context.abstract_syntax) for context in assoc.accepted_contexts}
    assert accepted == set(classes)


def test_an_image_is_accepted_in_every_transfer_syntax(node: Receiver) -> None:
    assert set(ALL_TRANSFER_SYNTAXES) < set(TRANSFER_SYNTAXES)
    for syntax in TRANSFER_SYNTAXES:
        with association(node, {CTImageStorage: [syntax]}) as assoc:
            assert [context.transfer_syntax for context in assoc.accepted_contexts] == [[syntax]]


def test_of_several_transfer_syntaxes_in_one_context_none_that_loses_is_chosen(node: Receiver) -> None:
    proposals: dict[str, list[UID]] = {
        CTImageStorage: [JPEGBaseline8Bit, JPEG2000Lossless],
        MRImageStorage: [JPEGBaseline8Bit],
    }
    with association(node, proposals) as assoc:
        chosen = {context.abstract_syntax: context.transfer_syntax for context in assoc.accepted_contexts}
    assert chosen == {CTImageStorage: [JPEG2000Lossless], MRImageStorage: [JPEGBaseline8Bit]}


@pytest.mark.parametrize("setting", [{}, {"private_sop_classes": (PRIVATE,)}, {"accept_unknown": True}])
def test_an_unknown_sop_class_is_stored_only_when_a_setting_says_so(
    tmp_path: Path, setting: dict[str, tuple[str, ...] | bool]
) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    proposals = {uid: [ExplicitVRLittleEndian] for uid in (PRIVATE, NOT_STORAGE, VERIFICATION)}
    changed = replace(OPTIONS, **setting)  # type: ignore[arg-type]
    with receiver(tmp_path / "node", options=changed) as node, association(node, proposals) as assoc:
        accepted = [str(context.abstract_syntax) for context in assoc.accepted_contexts]
        assert accepted == ([PRIVATE, VERIFICATION] if setting else [VERIFICATION])
        if setting:
            assert store(assoc, data_set_of(path), sop_instance_uid=uid_of(path)) == 0x0000
    assert [row[0] for row in node.committed()] == ([uid_of(path)] if setting else [])


def test_a_retired_sop_class_of_an_old_archive_is_stored(node: Receiver, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    with association(node, {NUCLEAR_MEDICINE_RETIRED: [ExplicitVRLittleEndian]}) as assoc:
        assert store(assoc, data_set_of(path), sop_instance_uid=uid_of(path)) == 0x0000
