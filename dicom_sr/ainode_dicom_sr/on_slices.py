"""What segmentations and parametric maps share: both lie on slices of a series, frame by frame."""

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from ainode_dicom_sr.source import without_identity
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings
from ainode_models.uids import derived_uid

NEEDED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
)
"""What each source image must have."""


def require_one_orientation(sources: Sequence[Dataset]) -> None:
    """Raise `EncodingError` where the slices are turned against each other."""
    axes = np.array([ds.ImageOrientationPatient for ds in sources], dtype=float)
    if np.ptp(axes, axis=0).max() > 1e-3:
        raise EncodingError(
            "the source images do not share one ImageOrientationPatient, so their slices form no volume"
        )


def single_pixels(header: Dataset, images: Sequence[Dataset]) -> list[Dataset]:
    """Headers of the images as if they had one pixel: highdicom goes through all of them, time after time."""
    one = Dataset()
    one.Rows = one.Columns = 1
    narrow = [_first_source(header, images[1:])]
    narrow += [Dataset({(element := image[keyword]).tag: element for keyword in NEEDED}) for image in images[1:]]
    for each in narrow:
        each.update(one)  # the elements of the source keep their values
    return narrow


def person_name(name: str) -> str:
    """``ContentCreatorName`` (0070,0084): the model, as the family name of PN."""
    return name.translate(str.maketrans("^=\\", "   "))[:63] + "^"


def replace_random_uids(result: Dataset, findings: Findings, *names: str) -> None:
    """Those that highdicom makes up for the dimensions; ``names`` tell the object from the others of the run."""
    uid = derived_uid(findings.run_id, *names, "DimensionOrganizationUID")
    for item in [*result.DimensionOrganizationSequence, *result.DimensionIndexSequence]:
        item.DimensionOrganizationUID = uid


def _first_source(header: Dataset, others: Sequence[Dataset]) -> Dataset:
    """Header that highdicom takes patient, study and Pixel Measures (PS3.3 C.7.6.16.2.1) from.

    ``SpacingBetweenSlices`` goes, as scanners write gaps or rounded values there and readers believe them;
    highdicom then writes the spacing that the positions show. ``SliceThickness`` may be missing, but it needs one.
    """
    first = without_identity(header)
    first.pop("SpacingBetweenSlices", None)
    if not first.get("SliceThickness"):
        first.pop("SliceThickness", None)
        first.SliceThickness = _distance(header, others)
    return first


def _distance(header: Dataset, others: Sequence[Dataset]) -> float | None:
    """Distance of the first two slices in mm; None when there is one slice only."""
    if not others:
        return None
    positions = np.array([header.ImagePositionPatient, others[0].ImagePositionPatient], dtype=float)
    return float(np.linalg.norm(positions[1] - positions[0]))
