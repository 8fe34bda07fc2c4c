"""Studies of one MR series, all of the same head, each of another patient."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode_models.demo.phantom import t1_head_phantom
from ainode_models.volume import Volume

SPACING = (1.2, 1.0, 1.0)
"""mm between slices, rows and columns: a sagittal MPRAGE."""


@dataclass(frozen=True)
class SentStudy:
    """One study on disk."""

    uid: str
    folder: Path

    def remove(self) -> None:
        """Delete its files, which nobody needs once they were sent."""
        shutil.rmtree(self.folder)


class Studies:
    """Writes one study after the other, ``slices`` of ``rows`` x ``rows`` pixels each."""

    def __init__(self, folder: Path, *, slices: int, rows: int) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._volume = _head(slices, rows)

    def next(self) -> SentStudy:
        """A study that was not sent before."""
        number = next(self._numbers)
        study = PhantomStudy(
            seed=f"bench study {number}",
            acquired_at=datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
            patient_name=f"BENCH^{number}",
            patient_id=f"BENCH-{number}",
            accession_number=f"BENCH{number}",
        )
        folder = self._folder / str(number)
        write_series(folder, self._volume, study=study, protocol=PROTOCOLS["T1"])
        return SentStudy(study.study_uid, folder)


def _head(slices: int, rows: int) -> Volume:
    shape = (slices, rows, rows)
    spacing = (SPACING[0] * 155 / slices, SPACING[1] * 240 / rows, SPACING[2] * 240 / rows)
    return t1_head_phantom(np.random.default_rng(155), shape=shape, spacing=spacing, oblique_degrees=5.0).volumes["T1"]
