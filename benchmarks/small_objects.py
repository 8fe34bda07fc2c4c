"""Very many very small CT images, to fill an index with."""

from io import BytesIO
from pathlib import Path

import numpy as np

from ct_slices import ct_slice

_PER_STUDY = 1000
_PER_FOLDER = 10_000


def write_small_objects(folder: Path, count: int) -> list[Path]:
    """Write ``count`` images of 8 x 8, a thousand to a study and patient, unless they are there; their folders."""
    parts = [folder / f"{number:03}" for number in range(-(-count // _PER_FOLDER))]
    stamp = folder / "complete"
    if stamp.is_file() and stamp.read_text() == str(count):
        return parts
    template = _template()
    for part in parts:
        part.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        # pydicom would take minutes; names of one length may be put in place of each other.
        content = template.replace(_uid(1, 0), _uid(1, number))
        for kind in (2, 3, 4):
            content = content.replace(_uid(kind, 0), _uid(kind, number // _PER_STUDY))
        (parts[number // _PER_FOLDER] / f"{number:06}.dcm").write_bytes(content)
    stamp.write_text(str(count))
    return parts


def _template() -> bytes:
    ds = ct_slice(0, np.zeros((8, 8), np.int16))
    uids = [_uid(kind, 0).decode() for kind in (1, 2, 3, 4)]
    ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.PatientID = uids
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _uid(kind: int, number: int) -> bytes:
    return f"1.2.826.0.1.3680043.8.498.{kind}.1{number:09}".encode()
