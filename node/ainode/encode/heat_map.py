"""Where a classifier looked, as pictures with a label burnt in."""

import textwrap
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ainode_models.cxr.overlay import overlay
from ainode_models.findings import Algorithm, ClassFinding, Decision, Findings, Heatmap
from ainode_models.radiograph import Radiograph

_NOT_FOR = "NOT FOR DIAGNOSTIC USE"
_LETTER = 9
"""Pixels that a letter is wide at most, of ``_SIZE``."""
_SIZE = 15
_LINE = 20
"""Pixels from line to line."""


def heat_maps(findings: Findings, radiograph: Radiograph) -> Iterable[tuple[ClassFinding, NDArray[np.uint8]]]:
    """Each finding that is present or undetermined and has a heat map, with that map over the radiograph.

    A map of a class that is absent, or says that nothing was found, would draw the eye to where nothing is.
    Pictures are ``(rows, columns, 3)``, RGB.
    """
    maps = {heatmap.number: heatmap for heatmap in findings.heatmaps}
    for item in findings.classes:
        if item.number in maps and item.notable:
            yield item, heat_map(item, maps[item.number], radiograph, algorithm=findings.algorithm)


def heat_map(
    item: ClassFinding, heatmap: Heatmap, radiograph: Radiograph, *, algorithm: Algorithm
) -> NDArray[np.uint8]:
    """The map of one class over the radiograph, ``(rows, columns, 3)`` RGB: what it is stands above and below."""
    picture = overlay(radiograph, heatmap, title=_title(item))
    return _with_footer(picture, _footer(algorithm, heatmap.method))


def _title(item: ClassFinding) -> str:
    undecided = ", not decided: a human must" if item.decision is Decision.UNCERTAIN else ""
    return f"{item.label}: probability {100 * item.probability:.1f} %{undecided}"


def _footer(algorithm: Algorithm, method: str) -> list[str]:
    made = f"{algorithm.name} {algorithm.version}, {method}: where the model looked. Not verified by a physician."
    return [_NOT_FOR, made, algorithm.disclaimer]


def _with_footer(picture: NDArray[np.uint8], texts: Iterable[str]) -> NDArray[np.uint8]:
    """``picture`` with ``texts`` below it, wrapped: they stay readable however small it is."""
    rows, columns = picture.shape[:2]
    lines = [line for text in texts for line in textwrap.wrap(text, max(columns // _LETTER, 10))]
    image = Image.new("RGB", (columns, rows + _LINE * (len(lines) + 1)))
    image.paste(Image.fromarray(picture))
    font, draw = ImageFont.load_default(_SIZE), ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((_LINE // 2, rows + _LINE // 2 + number * _LINE), line, fill="white", font=font)
    return np.asarray(image)
