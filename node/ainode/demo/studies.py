"""The studies that the demonstration sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from ainode.demo.phantom_series import PhantomStudy, write_study
from ainode.study import read_study_folder
from ainode_models.demo.phantom import brain_tumour_phantom

PHANTOM_SEED = 20_260_000
"""Far from the seeds of training: the model has not seen this phantom."""
_REFERENCE = "T1"


@dataclass(frozen=True)
class Truth:
    """What a segmentation of the study ought to be."""

    labels: NDArray[np.uint8]
    """``(slices, rows, columns)``."""
    sop_uids: tuple[str, ...]
    """The image that each slice lies on."""


@dataclass(frozen=True)
class DemoStudy:
    """One study on disk."""

    name: str
    study_uid: str
    files: tuple[Path, ...]
    """One for each instance."""
    truth: Truth | None
    """None for a real patient, for whom nobody knows it."""


def phantom_study(folder: Path) -> DemoStudy:
    """Write a brain-tumour phantom with four MR series, the same at every call, on an oblique grid."""
    phantom = brain_tumour_phantom(np.random.default_rng(PHANTOM_SEED), oblique_degrees=8.0, tumours=2)
    study = PhantomStudy(seed="ainode demo", acquired_at=datetime(2026, 11, 2, 9, 30).astimezone())
    files = write_study(folder, phantom, study=study)
    uids = tuple(str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID) for path in files[_REFERENCE])
    return DemoStudy(
        name="phantom",
        study_uid=study.study_uid,
        files=tuple(path for paths in files.values() for path in paths),
        truth=Truth(phantom.labels, uids),
    )


def real_head(environ: Mapping[str, str], root: Path) -> DemoStudy | None:
    """The real head of the shared test data, if it lies in ``$AINODE_TEST_DATA`` or beside the checkout."""
    folder = Path(environ.get("AINODE_TEST_DATA") or root.parent / "shared" / "data") / "mr-head"
    if not folder.is_dir():
        return None
    (study,) = read_study_folder(folder).studies
    files = tuple(path for series in study.series for path in series.paths)
    return DemoStudy("real head", study.study_uid, files, truth=None)
