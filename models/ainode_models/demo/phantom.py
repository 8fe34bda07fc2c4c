"""Anatomy-like MR phantoms with known truth.

The anatomy is a function of patient millimetres and is drawn apart from the grid and the noise: the same
seed gives the same head on any orientation, spacing and obliqueness.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ainode_models.demo.grid import Floats, Grid, Orientation, Triple, Waves
from ainode_models.demo.head import Head, Tissue
from ainode_models.demo.scanner import Scan, contrast
from ainode_models.demo.tumour import Tumour, grow
from ainode_models.uids import derived_uid
from ainode_models.volume import Volume

HEAD = 1
"""Value of the one label of `t1_head_phantom`."""

_BRAIN_VIEW: Triple = (186.0, 222.0, 180.0)
_HEAD_VIEW: Triple = (196.0, 256.0, 256.0)

_T = Tissue
_CONTRASTS: Mapping[str, Mapping[Tissue, float]] = {
    "T1": {_T.SCALP: 900, _T.SKULL: 110, _T.CSF: 190, _T.GREY: 440, _T.WHITE: 640, _T.MUSCLE: 380,
           _T.CAVITY: 10, _T.VESSEL: 250, _T.NECROSIS: 290, _T.OEDEMA: 400, _T.ENHANCING: 430},
    "T1c": {_T.SCALP: 900, _T.SKULL: 120, _T.CSF: 190, _T.GREY: 460, _T.WHITE: 650, _T.MUSCLE: 450,
            _T.CAVITY: 10, _T.VESSEL: 1000, _T.NECROSIS: 300, _T.OEDEMA: 410, _T.ENHANCING: 1000},
    "T2": {_T.SCALP: 650, _T.SKULL: 80, _T.CSF: 1000, _T.GREY: 540, _T.WHITE: 400, _T.MUSCLE: 250,
           _T.CAVITY: 10, _T.VESSEL: 120, _T.NECROSIS: 850, _T.OEDEMA: 780, _T.ENHANCING: 600},
    "FLAIR": {_T.SCALP: 550, _T.SKULL: 80, _T.CSF: 130, _T.GREY: 480, _T.WHITE: 390, _T.MUSCLE: 280,
              _T.CAVITY: 10, _T.VESSEL: 120, _T.NECROSIS: 600, _T.OEDEMA: 830, _T.ENHANCING: 640},
}  # fmt: skip


@dataclass(frozen=True)
class Phantom:
    """Volumes of one patient on one grid, and the truth."""

    volumes: Mapping[str, Volume]
    """By the name of the model's input, for example ``T1c``."""
    labels: NDArray[np.uint8]
    """True labels on the grid of the volumes, ``(slices, rows, columns)``."""


def brain_tumour_phantom(
    rng: np.random.Generator,
    *,
    orientation: Orientation = "axial",
    shape: tuple[int, int, int] | None = None,
    spacing: Triple = (3.0, 1.5, 1.5),
    oblique_degrees: float = 0.0,
    tumours: int = 1,
) -> Phantom:
    """T1, T1c, T2 and FLAIR of a head with ``tumours`` lesions; labels 1 necrosis, 2 oedema, 3 enhancing.

    ``shape`` and ``spacing`` (mm) are in the order (slice, row, column); without ``shape`` the grid covers
    the brain. The grid is turned by ``oblique_degrees`` about a random axis.
    """
    anatomy, scanning, noise = rng.spawn(3)
    head = Head.draw(anatomy)
    lesions = [Tumour.draw(anatomy, head) for _ in range(tumours)]
    grid = Grid.over(
        _BRAIN_VIEW,
        (scanning.uniform(-4, 4), scanning.uniform(-6, 6), scanning.uniform(-16, 0)),
        orientation=orientation,
        spacing=spacing,
        shape=shape,
        rotation=_tilt(scanning, oblique_degrees),
    )
    points = grid.points()
    tissue = head.tissues(grid, points)
    labels = grow(lesions, head, grid=grid, points=points, tissue=tissue)
    frame = _frame_of_reference(anatomy)
    images = {
        name: _protocol(scanning, means).acquire(tissue, grid, points=points, rng=noise)
        for name, means in _CONTRASTS.items()
    }
    return Phantom({name: Volume(image, grid.affine, frame) for name, image in images.items()}, labels)


def t1_head_phantom(
    rng: np.random.Generator,
    *,
    orientation: Orientation = "sagittal",
    shape: tuple[int, int, int] | None = None,
    spacing: Triple = (3.0, 2.0, 2.0),
    oblique_degrees: float = 0.0,
) -> Phantom:
    """T1 of a head down to the neck, which the field of view cuts; label 1 is the head against air.

    ``shape`` and ``spacing`` (mm) are in the order (slice, row, column). Some heads are defaced.
    """
    anatomy, scanning, noise = rng.spawn(3)
    head = Head.draw(anatomy)
    defaced = anatomy.random() < 0.4
    cut = Waves.draw(anatomy, 3.0, wavelength=(15, 50))
    grid = Grid.over(
        _HEAD_VIEW,
        (scanning.uniform(-6, 6), scanning.uniform(-12, 12), scanning.uniform(-52, -20)),
        orientation=orientation,
        spacing=spacing,
        shape=shape,
        rotation=_tilt(scanning, oblique_degrees),
    )
    points = grid.points()
    tissue = head.tissues(grid, points)
    if defaced:
        tissue[_face(points) + cut.on(grid) < 0] = Tissue.AIR
    frame = _frame_of_reference(anatomy)
    image = _any_t1(scanning).acquire(tissue, grid, points=points, rng=noise)
    labels = np.where(tissue == Tissue.AIR, 0, HEAD).astype(np.uint8)
    return Phantom({"T1": Volume(image, grid.affine, frame)}, labels)


def _tilt(rng: np.random.Generator, degrees: float) -> Rotation:
    axis = rng.normal(size=3)
    return Rotation.from_rotvec(axis / np.linalg.norm(axis) * degrees, degrees=True)


def _frame_of_reference(rng: np.random.Generator) -> str:
    return derived_uid("phantom", rng.bytes(16).hex())


def _face(points: Floats) -> Floats:
    """Signed distance to what defacing removes: in front of a plane, below the brows."""
    front: Floats = np.maximum(points[1] + 62 - 0.35 * (points[2] + 60), points[2] + 22)
    return front


def _protocol(rng: np.random.Generator, means: Mapping[Tissue, float]) -> Scan:
    jitter = {tissue: mean * rng.uniform(0.9, 1.1) for tissue, mean in means.items()}
    return Scan(
        means=contrast(jitter),
        texture=Waves.draw(rng, 0.03, wavelength=(6, 25), count=32),
        bias=Waves.draw(rng, rng.uniform(0.03, 0.12), wavelength=(180, 400), count=8),
        fall_off=rng.uniform(0.0, 0.01),
        noise=rng.uniform(8, 26),
        wrap=0.0,
        gain=rng.uniform(0.6, 1.8),
    )


def _any_t1(rng: np.random.Generator) -> Scan:
    """A T1 contrast drawn so widely that only the anatomy tells head from air."""
    brain = rng.uniform(350, 900)
    means = {
        Tissue.SCALP: rng.uniform(150, 1300),
        Tissue.SKULL: rng.uniform(30, 160),
        Tissue.CSF: rng.uniform(60, 250),
        Tissue.GREY: brain * rng.uniform(0.55, 0.8),
        Tissue.WHITE: brain,
        Tissue.MUSCLE: rng.uniform(120, 450),
        Tissue.CAVITY: rng.uniform(0, 25),
        Tissue.VESSEL: rng.uniform(150, 1500),
    }
    return Scan(
        means=contrast(means),
        texture=Waves.draw(rng, rng.uniform(0.03, 0.12), wavelength=(6, 25), count=32),
        bias=Waves.draw(rng, rng.uniform(0.05, 0.3), wavelength=(150, 400), count=8),
        fall_off=rng.uniform(0.0, 0.014),
        noise=rng.uniform(1, 30),
        wrap=rng.choice([0.0, rng.uniform(0.01, 0.06)]),
        gain=rng.uniform(0.1, 1.8),
    )
