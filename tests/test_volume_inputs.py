"""Several series as the inputs of one model: one space, one grid, or a reason."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ainode.volume.builder import SeriesVolume
from ainode.volume.inputs import align_inputs, covered
from ainode_models.errors import SeriesMismatchError
from ainode_models.volume import Volume

SLOPES = np.array([0.7, -1.1, 0.4])
"""Change of the ramp for each mm along L, P, S."""


def grid(shape: tuple[int, int, int], spacing: tuple[float, float, float], *, turn: float = 0.0) -> Volume:
    """A linear ramp in patient space, on a grid about the origin that is turned by ``turn`` degrees."""
    affine = np.eye(4)
    rotation = Rotation.from_rotvec([turn, turn / 2, -turn], degrees=True).as_matrix()
    affine[:3, :3] = rotation @ np.fliplr(np.eye(3)) * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    return Volume(points @ SLOPES + 300, affine, "1.2.3")


def series(volume: Volume) -> SeriesVolume:
    """A series that nothing was left out of."""
    return SeriesVolume(volume, (), ())


def test_inputs_on_one_grid_are_passed_on_untouched_and_in_order() -> None:
    first, second = grid((4, 6, 5), (2, 1, 1)), grid((4, 6, 5), (2, 1, 1))
    aligned = align_inputs({"T1": series(first), "T2": series(second)}, reference="T2")
    assert list(aligned) == ["T1", "T2"]
    assert aligned["T1"] is first
    assert aligned["T2"] is second


@pytest.mark.parametrize("turn", [0.0, 17.0])
def test_a_linear_ramp_in_patient_space_is_exact_on_another_grid(turn: float) -> None:
    reference = grid((8, 14, 12), (3, 2, 2.5))
    other = grid((40, 60, 50), (1.2, 1.0, 1.1), turn=turn)
    aligned = align_inputs({"T1": series(reference), "FLAIR": series(other)}, reference="T1")["FLAIR"]
    assert aligned.same_grid(reference)
    assert aligned.array.dtype == np.float32
    np.testing.assert_allclose(aligned.array, reference.array, rtol=1e-5)


def test_between_the_outermost_voxel_centres_and_the_edge_the_border_continues_and_beyond_it_is_the_minimum() -> None:
    reference = grid((1, 1, 9), (1, 1, 0.5))
    source = Volume(np.array([[[5.0, 7.0, 6.0]]]), grid((1, 1, 3), (1, 1, 1)).affine, "1.2.3")
    aligned = align_inputs({"T1": series(reference), "T2": series(source)}, reference="T1")["T2"]
    assert aligned.array.tolist() == [[[5, 5, 5, 6, 7, 6.5, 6, 6, 5]]]


def test_inputs_in_different_frames_of_reference_are_refused_by_name() -> None:
    first, second = grid((4, 6, 5), (2, 1, 1)), replace(grid((4, 6, 5), (2, 1, 1)), frame_of_reference_uid="1.2.4")
    with pytest.raises(SeriesMismatchError, match="T2 and T1 do not share a FrameOfReferenceUID"):
        align_inputs({"T1": series(first), "T2": series(second)}, reference="T1")


def test_an_input_that_shows_too_little_of_the_reference_is_refused_with_the_share() -> None:
    reference, slab = grid((100, 20, 20), (1, 1, 1)), grid((30, 20, 20), (1, 1, 1))
    with pytest.raises(SeriesMismatchError, match="T2 covers only 30% of the volume of T1, at least 50% is needed"):
        align_inputs({"T1": series(reference), "T2": series(slab)}, reference="T1")
    assert align_inputs({"T1": series(reference), "T2": series(slab)}, reference="T2")["T1"].same_grid(slab)


def test_what_a_turned_field_of_view_covers_is_what_plane_geometry_says() -> None:
    cube = grid((60, 60, 60), (1, 1, 1))
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("z", 45, degrees=True).as_matrix() @ cube.affine[:3, :3]
    affine[:3, 3] = -affine[:3, :3] @ (29.5, 29.5, 29.5)
    turned_square = 2 * (np.sqrt(2) - 1)  # share of a square that the same square turned by 45 degrees covers
    assert covered(replace(cube, affine=affine), cube).mean() == pytest.approx(turned_square, abs=0.005)
    assert covered(cube, cube).all()
