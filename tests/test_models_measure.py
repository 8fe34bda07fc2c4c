"""Measurements agree with plain arithmetic and brute force."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from ainode_models.diameter import largest_part, longest_diameter
from ainode_models.findings import Outcome
from ainode_models.measure import failed_findings, findings_of
from ainode_models.package import ModelPackage
from ainode_models.runtime import Prediction
from ainode_models.volume import Volume

MODELS = Path(__file__).parent.parent / "models"
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix() * (3.0, 0.7, 1.1)
OBLIQUE[:3, 3] = (-10.0, 20.0, -30.0)


def masks() -> dict[str, NDArray[np.bool_]]:
    rng = np.random.default_rng(5)
    blob = gaussian_filter(rng.normal(size=(14, 18, 16)), 2) > 0.05
    single, line, plane, diagonal = (np.zeros((14, 18, 16), dtype=bool) for _ in range(4))
    single[3, 4, 5] = True
    line[2, 3:9, 7] = True
    plane[4, 2:12, 3:9] = rng.random((10, 6)) > 0.3
    diagonal[range(8), range(8), range(8)] = True
    return {"blob": blob, "single": single, "line": line, "plane": plane, "diagonal": diagonal}


@pytest.mark.parametrize("name", ["blob", "single", "line", "plane", "diagonal"])
def test_the_longest_diameter_is_that_of_brute_force(name: str) -> None:
    mask = masks()[name]
    places = np.argwhere(mask) @ OBLIQUE[:3, :3].T + OBLIQUE[:3, 3]
    found = longest_diameter(mask, OBLIQUE)
    assert found is not None
    assert found.length_mm == pytest.approx(pdist(places).max() if len(places) > 1 else 0.0, abs=1e-9)
    assert np.linalg.norm(np.subtract(found.start_mm, found.end_mm)) == pytest.approx(found.length_mm)
    for end in (found.start_mm, found.end_mm):
        assert np.linalg.norm(places - end, axis=1).min() < 1e-9


def test_an_empty_segment_has_no_diameter() -> None:
    assert longest_diameter(np.zeros((2, 3, 4), dtype=bool), OBLIQUE) is None


def test_findings_hold_every_label_with_its_volume_and_the_same_ids_each_time() -> None:
    package = ModelPackage.open(MODELS / "brain-tumour-demo")
    label_map = np.zeros((6, 7, 8), dtype=np.uint8)
    label_map[1:4, 2:5, 3:5] = 2
    label_map[5, 6, 7] = 3
    grid = Volume(np.zeros_like(label_map), OBLIQUE, "1.2.3")
    prediction = Prediction(label_map, {2: 0.9, 3: 0.6})
    findings = findings_of(prediction, package, grid=grid, run_id="run", started_at=STARTED)
    assert findings.outcome is Outcome.FINDINGS
    assert [segment.voxels for segment in findings.segments] == [0, 18, 1]
    assert [segment.number for segment in findings.present] == [2, 3]
    assert findings.segments[1].volume_ml == pytest.approx(18 * 3.0 * 0.7 * 1.1 / 1000)
    assert [segment.confidence for segment in findings.segments] == [None, 0.9, 0.6]
    assert findings.segments[0].longest_diameter is None
    again = findings_of(prediction, package, grid=grid, run_id="run", started_at=STARTED)
    assert again.segments == findings.segments
    other = findings_of(prediction, package, grid=grid, run_id="other", started_at=STARTED)
    uids = {segment.tracking_uid for each in (findings, other) for segment in each.segments}
    assert len(uids) == 6


def test_nothing_found_and_failed_are_different_outcomes() -> None:
    package = ModelPackage.open(MODELS / "brain-tumour-demo")
    empty = np.zeros((2, 3, 4), dtype=np.uint8)
    grid = Volume(empty, OBLIQUE, "1.2.3")
    nothing = findings_of(Prediction(empty, {}), package, grid=grid, run_id="run", started_at=STARTED)
    failed = failed_findings(package.algorithm(), "out of memory", run_id="run", started_at=STARTED)
    assert nothing.outcome is Outcome.NO_FINDINGS
    assert len(nothing.segments) == 3
    assert not nothing.present
    assert failed.outcome is Outcome.FAILED
    assert (failed.segments, failed.label_map, failed.failure) == ((), None, "out of memory")


def test_a_stray_voxel_does_not_lengthen_the_diameter_of_a_lesion() -> None:
    mask = np.zeros((40, 50, 60), dtype=bool)
    mask[10:14, 20:24, 20:24] = True
    lesion = longest_diameter(mask, np.eye(4))
    mask[39, 0, 0] = mask[14, 24, 24] = True  # far away, and touching by a corner
    grown = longest_diameter(largest_part(mask), np.eye(4))
    assert lesion is not None
    assert grown is not None
    assert grown.length_mm == pytest.approx(np.sqrt(3) * 4)
    assert not largest_part(np.zeros((2, 3, 4), dtype=bool)).any()
