"""Pictures that teach the gate of the chest classifier what a frontal chest is: drawings, and much that is none."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from ainode_models.demo.chest import KINDS, density_of, expose
from ainode_models.demo.chest_anatomy import Chest, Plane, View
from ainode_models.demo.chest_disease import OPACITIES, field

SIDE = 96
"""Rows and columns of a picture, whatever the shape of what it shows."""

Draw = Callable[[np.random.Generator], Plane]


def frontal_chest(rng: np.random.Generator) -> Plane:
    """A frontal chest, as healthy or ill as may be, cut out in any way that shows both lungs."""
    view = View.of(
        (SIDE + 32, SIDE + 32),
        shift=(rng.normal(0, 0.05), rng.normal(0, 0.06)),
        scale=rng.uniform(0.78, 1.2),
        turn=rng.normal(0, 0.05),
    )
    picture = _chest(rng, view)
    top, bottom = (int(rng.integers(0, 24)) for _ in range(2))
    left, right = (int(rng.integers(0, 16)) for _ in range(2))
    if rng.random() < 0.12:
        bottom = int(rng.integers(50, 80))  # a strip through the upper lungs
    return _square(picture[top : picture.shape[0] - bottom, left : picture.shape[1] - right])


def _chest(rng: np.random.Generator, view: View) -> Plane:
    chest = Chest.draw(rng)
    opacity = OPACITIES[int(rng.integers(len(KINDS)))](rng, chest, view)
    for _ in range(int(rng.choice((0, 0, 0, 1, 2)))):
        opacity = opacity + rng.uniform(0.1, 0.5) * _blob(rng, view)
    opacity = (
        opacity + rng.choice((0.0, rng.uniform(0, 0.25))) + rng.uniform(0, 0.06) * field(rng, view.x.shape, grain=0.06)
    )
    density = density_of(rng, chest, view=view, lungs=chest.lungs(view), opacity=np.clip(opacity, 0, 0.6))
    picture = _softer(rng, expose(rng, density).astype(float)) + _covers(rng, view)
    return picture if rng.random() < 0.5 else picture[:, ::-1]


def _softer(rng: np.random.Generator, picture: Plane) -> Plane:
    """Ribs and borders that are fainter than those of the drawings, as on many real radiographs."""
    sharp = rng.uniform(0, 1)
    return sharp * picture + (1 - sharp) * gaussian_filter(picture, rng.uniform(0.5, 5))


def _covers(rng: np.random.Generator, view: View) -> Plane:
    """Breasts and shoulder blades that lie over both lungs."""
    picture = np.zeros_like(view.x)
    for height, chance in ((rng.uniform(0.1, 0.5), 0.4), (rng.uniform(-0.9, -0.4), 0.5)):
        if rng.random() < chance:
            apart, wide, high = rng.uniform(0.4, 0.9), rng.uniform(0.15, 0.35), rng.uniform(0.15, 0.45)
            part = 1 - ((np.abs(view.x) - apart) / wide) ** 2 - ((view.y - height) / high) ** 2
            picture += rng.uniform(0.05, 0.25) * _soft(part * 3)
    return picture


def _blob(rng: np.random.Generator, view: View) -> Plane:
    x, y = rng.uniform(-0.7, 0.7), rng.uniform(-0.6, 0.5)
    return np.exp(-(((view.x - x) / rng.uniform(0.1, 0.4)) ** 2) - ((view.y - y) / rng.uniform(0.1, 0.5)) ** 2)


def turned_chest(rng: np.random.Generator) -> Plane:
    """A frontal chest upside down or on its side."""
    return np.rot90(frontal_chest(rng), int(rng.integers(1, 4)))


def lateral_chest(rng: np.random.Generator) -> Plane:
    """A chest from the side: one dark field before and behind the heart, the spine at one edge."""
    x, y = _grid(rng)
    body = _soft(1 - np.abs(x / rng.uniform(0.7, 1.0)) ** 3 - np.abs(y / 1.4) ** 6)
    lung = _soft(1 - (x / rng.uniform(0.5, 0.7)) ** 2 - ((y + 0.1) / rng.uniform(0.6, 0.8)) ** 2)
    heart = _soft(1 - ((x + 0.2) / rng.uniform(0.2, 0.35)) ** 2 - ((y - 0.2) / rng.uniform(0.25, 0.4)) ** 2)
    spine = np.exp(-(((x - 0.45 - 0.1 * np.sin(y * 2)) / 0.1) ** 2))
    dome = _soft((y - rng.uniform(0.3, 0.5) - 0.3 * x) * 4)
    ribs = np.clip(np.cos((y + 0.8 * x) * rng.uniform(20, 28)), 0, 1) * lung
    picture = body * (0.7 + 0.25 * spine * (1 - 0.4 * lung)) - 0.45 * lung * (1 - dome) + 0.22 * heart + 0.08 * ribs
    return picture if rng.random() < 0.5 else picture[:, ::-1]


def axial_slice(rng: np.random.Generator) -> Plane:
    """A transverse slice of a trunk in air, with or without lungs, and perhaps a table."""
    x, y = _grid(rng)
    size = rng.uniform(0.6, 0.95)
    body = _soft((1 - (x / size) ** 2 - (y / (size * rng.uniform(0.6, 0.85))) ** 2) * 4)
    picture = body * rng.uniform(0.6, 0.8)
    if rng.random() < 0.7:
        for side in (-1, 1):
            wide, high = rng.uniform(0.25, 0.38) * size, rng.uniform(0.3, 0.5) * size
            picture -= 0.5 * _soft((1 - ((x - side * 0.45 * size) / wide) ** 2 - (y / high) ** 2) * 5)
    picture += 0.35 * _soft((1 - (x / 0.12) ** 2 - ((y - 0.42 * size) / 0.13) ** 2) * 4)
    if rng.random() < 0.5:
        picture += 0.3 * (np.abs(y - 0.25 * x**2 - 0.85 * size) < 0.03)
    return picture


def head(rng: np.random.Generator) -> Plane:
    """A skull or a slice of a head: an oval with a bright or dark rim, and something symmetrical within."""
    x, y = _grid(rng)
    width, height = rng.uniform(0.45, 0.85), rng.uniform(0.55, 0.95)
    inside = 1 - (x / width) ** 2 - (y / height) ** 2
    picture = _soft(inside * 6) * rng.uniform(0.3, 0.8) + rng.uniform(0.2, 0.8) * np.exp(-((inside / 0.12) ** 2))
    for _ in range(int(rng.integers(1, 5))):
        offset, place = rng.uniform(0.05, 0.35), rng.uniform(-0.5, 0.5)
        radii = rng.uniform(0.06, 0.25), rng.uniform(0.06, 0.3)
        spots = sum(np.exp(-(((x - s * offset) / radii[0]) ** 2) - ((y - place) / radii[1]) ** 2) for s in (-1, 1))
        picture += rng.uniform(-0.5, 0.4) * _soft(inside * 6) * spots
    return picture


def limb(rng: np.random.Generator) -> Plane:
    """Arms, legs, hands, feet: one to five shafts of bone in soft tissue."""
    x, y = _grid(rng)
    number = int(rng.choice((1, 1, 2, 2, 5)))
    picture = np.zeros_like(x)
    for place in np.linspace(-0.6, 0.6, number) if number > 1 else (rng.uniform(-0.2, 0.2),):
        across = x - place - rng.normal(0, 0.15) * y
        wide = rng.uniform(0.15, 0.5) / number**0.5
        bone = wide * rng.uniform(0.25, 0.5) * (1 + 0.5 * np.exp(-(((np.abs(y) - 0.7) / 0.2) ** 2)))
        shaft = 0.5 * _soft((1 - (across / bone) ** 2) * 3) + 0.3 * np.exp(-(((np.abs(across) - bone) / 0.03) ** 2))
        picture += 0.4 * _soft((1 - (across / wide) ** 2) * 3) + shaft * (np.abs(y - rng.uniform(-0.3, 0.3)) > 0.03)
    return np.rot90(picture, int(rng.integers(0, 4)))


def abdomen(rng: np.random.Generator) -> Plane:
    """A belly or pelvis: spine, iliac wings, loops of gas, no lungs."""
    x, y = _grid(rng)
    body = _soft((1 - np.abs(x / rng.uniform(0.75, 1.1)) ** 4) * 4)
    picture = 0.6 * body + rng.uniform(0.1, 0.3) * np.exp(-((x / 0.12) ** 4)) * (y < rng.uniform(0.0, 1.0))
    for side in (-1, 1):
        wing = ((x - side * 0.5) / 0.3) ** 2 + ((y - 0.4) / 0.4) ** 2
        picture += rng.uniform(0, 0.3) * _soft((1 - wing) * 5)
    for _ in range(int(rng.integers(0, 9))):
        radius = rng.uniform(0.05, 0.25)
        gas = ((x - rng.uniform(-0.7, 0.7)) / radius) ** 2 + ((y - rng.uniform(-0.9, 0.9)) / radius) ** 2
        picture -= rng.uniform(0.1, 0.4) * body * np.exp(-gas)
    return picture


def leaves(rng: np.random.Generator) -> Plane:
    """Overlapping shapes of one grey each, as in photographs; sometimes as symmetrical as a body."""
    x, y = _grid(rng)
    picture = np.full_like(x, rng.random())
    for size in np.sort(rng.uniform(0.03, 0.9, int(rng.integers(3, 60))))[::-1]:
        u, v, turn = x - rng.uniform(-1, 1), y - rng.uniform(-1, 1), rng.uniform(0, np.pi)
        along, across = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
        power = rng.choice((2, 8))
        inside = np.abs(along / size) ** power + np.abs(across / (size * rng.uniform(0.2, 1))) ** power < 1
        picture[inside] = rng.random() + rng.normal(0, 0.3) * along[inside]
    return np.where(x < 0, picture, picture[:, ::-1]) if rng.random() < 0.4 else picture


def clouds(rng: np.random.Generator) -> Plane:
    """Noise of any grain, slopes and stripes, whole or mirrored."""
    x, y = _grid(rng)
    picture = sum(rng.normal() * field(rng, x.shape, grain=float(grain)) for grain in rng.uniform(0.005, 0.3, 3))
    picture = picture + rng.normal(0, 2) * x + rng.normal(0, 2) * y
    if rng.random() < 0.4:
        turn = rng.uniform(0, np.pi) if rng.random() < 0.6 else rng.choice((0.0, np.pi / 2))
        picture = picture + 3 * np.sin((x * np.cos(turn) + y * np.sin(turn)) * rng.uniform(3, 40) + rng.uniform(0, 6))
    return np.where(x < 0, picture, picture[:, ::-1]) if rng.random() < 0.4 else picture


def balls(rng: np.random.Generator) -> Plane:
    """Discs, blobs and masks on an even ground, alone, in pairs or in rows."""
    x, y = _grid(rng)
    picture, number = np.zeros_like(x), int(rng.integers(1, 6))
    for place in rng.uniform(-0.7, 0.7, number):
        high, radius = rng.uniform(-0.6, 0.6), rng.uniform(0.1, 0.7)
        for side in (-1, 1) if rng.random() < 0.4 else (1,):
            ratio = rng.uniform(0.6, 1.6)
            inside = 1 - ((x - side * place) / radius) ** 2 - ((y - high) / (radius * ratio)) ** 2
            picture += rng.choice((-1, 1)) * rng.uniform(0.3, 1) * _soft(inside * rng.uniform(1, 12))
    return picture


def fan(rng: np.random.Generator) -> Plane:
    """The sector of an ultrasound probe, or a page with lines of writing."""
    x, y = _grid(rng)
    if rng.random() < 0.4:
        lines = (np.sin(y * rng.uniform(30, 90)) > 0) & (gaussian_filter(rng.normal(size=x.shape), 1) > 0)
        return np.where(lines & (np.abs(x) < rng.uniform(0.5, 1)), 1.0, 0.0)
    depth, angle = np.hypot(x, y + 1.1), np.arctan2(x, y + 1.1)
    inside = (depth < rng.uniform(1.2, 2.2)) & (depth > rng.uniform(0.1, 0.5)) & (np.abs(angle) < rng.uniform(0.4, 0.9))
    echoes = np.clip(0.5 + 0.3 * field(rng, x.shape, grain=0.03) + rng.normal(0, 0.3) * depth, 0, 1)
    return np.where(inside, echoes, 0.0)


OTHERS: Mapping[str, Draw] = MappingProxyType(
    {
        each.__name__: each
        for each in (turned_chest, lateral_chest, axial_slice, head, limb, abdomen, leaves, clouds, balls, fan)
    }
)
"""What is no frontal chest, by name."""


def photographed(rng: np.random.Generator, picture: Plane) -> Plane:
    """``picture`` from 0 to 1 as some machine or screen shows it: contrast, haze, borders, letters, blur, noise."""
    low, high = np.percentile(picture, (1, 99))
    shown = np.clip((picture - low) / max(high - low, 1e-6), 0, 1) ** np.exp(rng.normal(0, 0.45))
    haze = rng.uniform(0, 0.35) * field(rng, shown.shape, grain=rng.uniform(0.1, 0.4))
    shown = shown * (1 + 0.5 * haze) + 0.3 * haze + rng.normal(0, rng.uniform(0, 0.05), shown.shape)
    shown = gaussian_filter(shown, rng.uniform(0, 1.2))
    if rng.random() < 0.35:
        for _ in range(4):
            shown = np.rot90(shown).copy()
            shown[: int(rng.integers(0, 14)) * int(rng.random() < 0.6)] = rng.choice((shown.min(), shown.max()))
    for _ in range(int(rng.choice((0, 0, 1, 2)))):
        row, column = rng.integers(0, SIDE - 10, 2)
        shown[row : row + int(rng.integers(2, 10)), column : column + int(rng.integers(2, 10))] = shown.max()
    return np.asarray(np.clip(shown, *np.percentile(shown, (rng.uniform(0, 4), 100 - rng.uniform(0, 4)))))


def _grid(rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Coordinates from about -1 to 1, moved, enlarged and turned a little."""
    shift = (rng.normal(0, 0.06), rng.normal(0, 0.06))
    view = View.of((SIDE, SIDE), shift=shift, scale=rng.uniform(0.8, 1.2), turn=rng.normal(0, 0.12))
    return view.x, view.y


def _soft(inside: Plane) -> Plane:
    return np.clip(inside, 0, 1)


def _square(picture: Plane) -> Plane:
    return np.asarray(zoom(picture, [SIDE / size for size in picture.shape], order=1))
