"""A small T1 head as a DICOM study, made anew from a seed."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode_models.demo.grid import Orientation
from ainode_models.demo.phantom import Phantom, t1_head_phantom

STUDIED_AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def head_phantom(seed: int = 7, *, orientation: Orientation = "sagittal") -> Phantom:
    """T1 phantom on a coarse oblique grid."""
    rng = np.random.default_rng(90_000 + seed)
    return t1_head_phantom(rng, orientation=orientation, spacing=(6.0, 4.0, 4.0), oblique_degrees=6.0)


def write_head(folder: Path, seed: int = 7) -> tuple[str, list[Path]]:
    """Study Instance UID, and the files in the order of the slices."""
    study = PhantomStudy(seed=f"head {seed}", acquired_at=STUDIED_AT, accession_number=f"ACC{seed}")
    volume = head_phantom(seed).volumes["T1"]
    return study.study_uid, write_series(folder, volume, study=study, protocol=PROTOCOLS["T1"])
