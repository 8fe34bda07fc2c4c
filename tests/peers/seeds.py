"""Whole objects from which broken ones are made."""

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom.dsutils import split_dataset

from peers.shared_data import ROOT
from peers.tiny_series import write_series


@dataclass(frozen=True)
class Seed:
    """One object as C-STORE sends it."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: bytes
    """The data set, not deflated."""

    @property
    def encoded(self) -> bytes:
        """The data set as its transfer syntax wants it."""
        if self.transfer_syntax != DeflatedExplicitVRLittleEndian:
            return self.data
        packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(self.data) + packer.flush()

    def renamed(self, source: str) -> "Seed":
        """The same under a SOP Instance UID of the same length, which ``source`` decides."""
        digits = str(int.from_bytes(hashlib.sha256(source.encode()).digest()))
        new = f"2.25.9{digits}"[: len(self.sop_instance)]
        return replace(self, sop_instance=new, data=self.data.replace(self.sop_instance.encode(), new.encode()))


def seeds(folder: Path) -> list[Seed]:
    """Small CT images, plain and deflated, written to ``folder``, and the real ones of ``transfer-syntaxes``."""
    paths = write_series(folder, images=3, rows=16)
    tiny = [seed for path in paths for seed in _seed(path)]
    deflated = [replace(seed, transfer_syntax=DeflatedExplicitVRLittleEndian) for seed in tiny]
    real = Path(os.environ.get("AINODE_TEST_DATA", ROOT.parent / "shared" / "data")) / "transfer-syntaxes"
    return [*tiny, *deflated, *(seed for path in sorted(real.glob("*.dcm")) for seed in _seed(path))]


def _seed(path: Path) -> Iterator[Seed]:
    """The object of a file; none when it lacks the UIDs that C-STORE needs."""
    raw = path.read_bytes()
    start = split_dataset(path)[1] if raw[128:132] == b"DICM" else 0
    with disable_value_validation():
        header = dcmread(path, stop_before_pixels=True, force=True)
        syntax = header.file_meta.get("TransferSyntaxUID", ExplicitVRLittleEndian)
        if "SOPClassUID" in header and "SOPInstanceUID" in header:
            yield Seed(str(header.SOPClassUID), str(header.SOPInstanceUID), str(syntax), raw[start:])
