"""The multipart reader against every way in which a network may cut a message."""

from collections.abc import Iterable

import pytest

from ainode_models.errors import PeerRefused, PeerUnreachable
from ainode_orthanc.multipart import boundary_of, read_parts

# Bodies that hold almost-boundaries, line ends in wrong places, and nothing at all.
BODIES = (b"\r\n--edg\r\n--\r\n-", b"", b"\r", b"plain\r\n\r\n--ed", b"\x00" * 40 + b"\r\n\r\n--")
MESSAGE = b"before it\r\n" + b"".join(
    b"--edge \r\nContent-Type: application/dicom\r\nX-N: %d\r\n\r\n%s\r\n" % (number, body)
    for number, body in enumerate(BODIES)
)
WHOLE = MESSAGE + b"--edge--\r\nbehind it"


def _bodies(chunks: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(b"".join(part) for part in read_parts(chunks, b"edge"))


def test_a_message_reads_the_same_wherever_it_is_cut() -> None:
    for at in range(len(WHOLE) + 1):
        assert _bodies([WHOLE[:at], WHOLE[at:]]) == BODIES, at
    for size in range(1, 40):
        assert _bodies(WHOLE[at : at + size] for at in range(0, len(WHOLE), size)) == BODIES, size


def test_a_message_that_ends_early_is_never_taken_for_whole() -> None:
    for end in range(len(MESSAGE) + len(b"--edge--")):
        with pytest.raises(PeerUnreachable, match="ended in the middle"):
            _bodies([WHOLE[:end]])


def test_headers_belong_to_their_part_and_unread_parts_are_skipped() -> None:
    parts = read_parts([WHOLE], b"edge")
    kept = list(parts)
    assert [part.headers["x-n"] for part in kept] == ["0", "1", "2", "3", "4"]
    with pytest.raises(RuntimeError, match="gone by"):
        b"".join(kept[0])


def test_a_first_boundary_needs_no_line_before_it_and_a_part_no_header() -> None:
    assert _bodies([b"--edge\r\n\r\nbody\r\n--edge--"]) == (b"body",)


def test_memory_stays_bounded_by_the_pieces_that_arrive() -> None:
    piece = b"\r\n--ed" * 1000
    stream = [b"--edge\r\n\r\n", *[piece] * 50, b"\r\n--edge--"]
    (sizes,) = ([len(chunk) for chunk in part] for part in read_parts(stream, b"edge"))
    assert sum(sizes) == 50 * len(piece)
    assert max(sizes) <= len(piece) + len(b"\r\n--edge")


def test_what_is_not_multipart_is_refused_by_name() -> None:
    assert boundary_of('multipart/related; type="application/dicom"; boundary="a b=c"') == b"a b=c"
    with pytest.raises(PeerRefused, match="text/html"):
        boundary_of("text/html; boundary=x")
    with pytest.raises(PeerRefused, match="behind a boundary"):
        _bodies([b"--edgeways\r\n\r\nbody\r\n--edge--"])
    with pytest.raises(PeerRefused, match="without an end"):
        _bodies([b"--edge\r\nX: ", *[b"a" * 4096] * 20])
