"""Text below a picture, burnt in: it stays with the picture wherever that goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ainode.encode.fonts import picture_font
from ainode_models.findings import Algorithm

NOT_VERIFIED = "AI result, not verified, not for diagnostic use"
NO_VERIFICADO = "Resultado de IA sin verificar, no apto para diagnóstico"

_SIZE = 15
_LINE = 21
"""Pixels from line to line."""
_MARGIN = 10
_WARNING = (255, 214, 64)
_TEXT = (235, 235, 235)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Line:
    """A paragraph of a caption."""

    text: str
    swatch: Colour | None = None
    """Colour of what it speaks of, shown before it."""
    warning: bool = False
    """Written so that nobody overlooks it."""


def warnings(algorithm: Algorithm) -> tuple[Line, ...]:
    """What every picture says of itself, in both languages, and which model made it."""
    return (
        Line(NOT_VERIFIED, warning=True),
        Line(NO_VERIFICADO, warning=True),
        Line(f"{algorithm.name}@{algorithm.version}. {algorithm.disclaimer}"),
    )


def captioned(pixels: NDArray[np.uint8], lines: Sequence[Line], *, height: int = 0) -> NDArray[np.uint8]:
    """``pixels``, ``(rows, columns, 3)``, with ``lines`` below, wrapped, on black; at least ``height`` rows of them."""
    rows, columns = pixels.shape[:2]
    below = max(height, caption_height(columns, lines))
    image = Image.new("RGB", (columns, rows + below))
    image.paste(Image.fromarray(pixels))
    draw, y = ImageDraw.Draw(image), rows + _MARGIN
    for line in lines:
        if line.swatch is not None:
            draw.rectangle((_MARGIN, y + 3, _MARGIN + 12, y + 15), fill=line.swatch, outline="white")
        for part in _wrapped(line, columns):
            colour = _WARNING if line.warning else _TEXT
            draw.text((_left(line), y), part, fill=colour, font=picture_font(_SIZE, bold=line.warning))
            y += _LINE
    return np.asarray(image)


def caption_height(columns: int, lines: Sequence[Line]) -> int:
    """Rows that ``lines`` take below a picture that is ``columns`` wide."""
    return _LINE * sum(len(_wrapped(line, columns)) for line in lines) + 2 * _MARGIN


def _left(line: Line) -> int:
    return _MARGIN + (20 if line.swatch is not None else 0)


def _wrapped(line: Line, columns: int) -> list[str]:
    """Lines that fit; a word that is wider than the picture stands alone and is cut by its edge."""
    font, width = picture_font(_SIZE, bold=line.warning), columns - _left(line) - _MARGIN
    done: list[str] = []
    for word in line.text.split():
        longer = f"{done[-1]} {word}" if done else word
        if done and font.getlength(longer) <= width:
            done[-1] = longer
        else:
            done.append(word)
    return done
