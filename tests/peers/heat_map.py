"""A heat map that a classifier's run shows, without a model."""

import numpy as np
from pydicom.dataset import Dataset

from ainode_dicom_sr.secondary_capture import Picture, secondary_capture
from ainode_models.findings import ClassFinding, Findings
from peers.dicom_sources import EQUIPMENT


def heat_map_of(run: Findings, item: ClassFinding, source: Dataset) -> Dataset:
    """Secondary Capture of ``item``, black."""
    picture = Picture(
        item.number, np.zeros((8, 8, 3), np.uint8), "heat map", f"Where the model looked for: {item.label}"
    )
    return secondary_capture(run, picture, sources=[source], equipment=EQUIPMENT)
