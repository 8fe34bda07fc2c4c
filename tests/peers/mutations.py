"""Ways to break bytes, each drawn from a seeded generator so that a finding can be repeated."""

import random
import struct
from collections.abc import Callable, Sequence

_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000)
_LONG_INTEGERS = (*_INTEGERS, 0xFFFFFFFE, 0xFFFFFFFF)
OUTSIDE = "ainode-outside"
"""Part of every path-like UID, to look for afterwards."""
BAD_UIDS = (
    f"../../../../{OUTSIDE}/x",
    f"/tmp/{OUTSIDE}",
    f"..\\..\\{OUTSIDE}",
    f"1.2.3\0/../../{OUTSIDE}",
    f"{OUTSIDE}.part",
    f"1.2.3/../{OUTSIDE}",
    "",
    ".",
    "..",
    "1.2.3\n",
    "1..2",
    "01.2.3",
    "1." + "2" * 63,
    "1." + "3" * 5000,
    "\xff\xfe",
)
"""None is a UID of PS3.5 9.1."""
_ITEM, _ITEM_END, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
_SPLICES = (
    _ITEM + b"\xff" * 4,
    _ITEM_END + bytes(4),
    _SEQUENCE_END + bytes(4),
    b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + _ITEM + b"\xff" * 4,
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192",
    b"\x28\x00\x08\x00IS\x0a\x002147483647",
    b"\xff" * 64,
    bytes(64),
)
_TAGS = (
    *((0x0028, number) for number in (0x02, 0x04, 0x06, 0x08, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103, 0x1052, 0x1053)),
    *((0x0020, number) for number in (0x0D, 0x0E, 0x13, 0x32, 0x37, 0x52)),
    *((0x0008, number) for number in (0x05, 0x08, 0x16, 0x18)),
    (0x0028, 0x3000),
    (0x5200, 0x9229),
    (0x5200, 0x9230),
    (0x7FE0, 0x0010),
)
"""Elements that a reader relies on."""
_Way = Callable[["Mutator", bytes, int], bytes]


class Mutator:
    """Breaks bytes; the same ``chance`` gives the same."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def bytes_of(self, raw: bytes) -> bytes:
        """``raw`` after one to four changes anywhere."""
        return self._changed(raw, lambda data: self.chance.randrange(len(data)), self._WAYS)

    def data_set(self, raw: bytes) -> bytes:
        """``raw`` after one to four changes, most of them in the header or where the frames begin."""
        places = [at for tag in _TAGS if (at := raw.find(struct.pack("<HH", *tag))) >= 0]
        end = max((at for at in places[-1:]), default=len(raw)) + 256

        def place(data: bytes) -> int:
            kind = self.chance.random()
            if places and kind < 0.5:
                return min(len(data) - 1, self.chance.choice(places) + self.chance.randrange(24))
            return self.chance.randrange(min(end, len(data)) if kind < 0.9 else len(data))

        # Half of them keep every length, so that the object is still whole and is read to its pixels.
        return self._changed(raw, place, self._KEEPING if self.chance.random() < 0.5 else self._WAYS)

    def parts(self, parts: Sequence[bytes]) -> list[bytes]:
        """Parts left out, doubled, exchanged, or broken in themselves."""
        chosen = list(parts)
        at = self.chance.randrange(len(chosen))
        how = self.chance.randrange(5)
        if how == 0:
            del chosen[at]
        elif how == 1:
            chosen.insert(self.chance.randrange(len(chosen) + 1), chosen[at])
        elif how == 2:
            self.chance.shuffle(chosen)
        else:
            chosen[at] = self.bytes_of(chosen[at])
        return chosen

    def _changed(self, raw: bytes, place: Callable[[bytes], int], ways: Sequence[_Way]) -> bytes:
        data = raw
        for _ in range(self.chance.choice((1, 1, 2, 4))):
            if data:
                data = self.chance.choice(ways)(self, data, place(data))
        return data

    def _flip(self, data: bytes, at: int) -> bytes:
        return data[:at] + bytes([data[at] ^ 1 << self.chance.randrange(8)]) + data[at + 1 :]

    def _number(self, data: bytes, at: int) -> bytes:
        form = self.chance.choice(("<H", ">H", "<I", ">I"))
        numbers = _INTEGERS[:11] if form.endswith("H") else _LONG_INTEGERS
        return self._over(data, at, struct.pack(form, self.chance.choice(numbers)))

    def _noise(self, data: bytes, at: int) -> bytes:
        return self._over(data, at, self.chance.randbytes(self.chance.randint(1, 16)))

    def _over(self, data: bytes, at: int, new: bytes) -> bytes:
        return (data[:at] + new + data[at + len(new) :])[: len(data)]

    def _cut(self, data: bytes, at: int) -> bytes:
        return data[:at]

    def _remove(self, data: bytes, at: int) -> bytes:
        return data[:at] + data[at + self.chance.randint(1, 64) :]

    def _double(self, data: bytes, at: int) -> bytes:
        end = at + self.chance.randint(1, 256)
        return data[:end] + data[at:end] * self.chance.choice((1, 2, 50)) + data[end:]

    def _splice(self, data: bytes, at: int) -> bytes:
        return data[:at] + self.chance.choice(_SPLICES) * self.chance.choice((1, 3, 200)) + data[at:]

    _KEEPING: Sequence[_Way] = (_flip, _number, _noise)
    _WAYS: Sequence[_Way] = (*_KEEPING, _number, _cut, _remove, _double, _splice)
