"""A sheet of A4 that never becomes two: texts are measured first, and cut with a mark where they would not fit."""

import io
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from fontTools.ttLib import TTFont
from fpdf import FPDF
from numpy.typing import NDArray
from PIL import Image

from ainode.encode.fonts import font_file

WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 12.0
INNER = WIDTH - 2 * MARGIN
_FONT = "DejaVu"
_POINT = 0.3528
"""Millimetres."""
_LEADING = 1.25
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_PIXELS_PER_MM = 8
"""About 200 dpi."""

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
GREY: Colour = (95, 95, 95)
WHITE: Colour = (255, 255, 255)


class Paper:
    """One page; places and sizes are millimetres from the upper left corner, sizes of letters points."""

    def __init__(self, *, title: str, producer: str, made: datetime) -> None:
        pdf = FPDF(format="A4", unit="mm")
        pdf.set_auto_page_break(False)
        pdf.set_margin(0)
        pdf.c_margin = 0
        pdf.add_font(_FONT, "", font_file())
        pdf.add_font(_FONT, "B", font_file(bold=True))
        # What a page says of itself must not depend on when and where it is written.
        pdf.set_creation_date(made)
        pdf.set_title(title)
        pdf.set_producer(producer)
        pdf.set_lang("en")
        pdf.add_page()
        self._pdf = pdf
        with TTFont(font_file()) as font:
            self._letters = frozenset(font.getBestCmap())

    def finished(self) -> bytes:
        """The PDF file; the same page gives the same bytes."""
        return bytes(self._pdf.output())

    def writable(self, text: str) -> bool:
        """Whether the font has all letters of ``text``, and writes them as they are read: from left to right."""
        return all(
            ord(letter) in self._letters and unicodedata.bidirectional(letter) not in _RIGHT_TO_LEFT for letter in text
        )

    def width_of(self, text: str, *, size: float, bold: bool = False) -> float:
        """Millimetres that a line takes."""
        self._pdf.set_font(_FONT, "B" if bold else "", size)
        return float(self._pdf.get_string_width(self._clean(text)))

    def fitting(self, text: str, width: float, *, size: float, bold: bool = False, lines: int = 1) -> list[str]:
        """``text`` in lines of at most ``width``; what would need more than ``lines`` ends in an ellipsis."""
        self._pdf.set_font(_FONT, "B" if bold else "", size)
        found: Any = self._pdf.multi_cell(width, text=self._clean(text), align="L", dry_run=True, output="LINES")
        if len(found) <= lines:
            return [str(line) for line in found]
        last = " ".join(found[lines - 1 :])
        while last and self._pdf.get_string_width(f"{last}…") > width:
            last = last[:-1]
        return [*found[: lines - 1], f"{last.rstrip()}…"]

    def write(
        self,
        x: float,
        y: float,
        lines: str | Sequence[str],
        *,
        size: float,
        bold: bool = False,
        colour: Colour = BLACK,
        align: float = 0.0,
    ) -> float:
        """Write lines below each other from the upper end ``y``; gives the lower end of the last.

        ``align``: 0 begins at ``x``, 0.5 is centred there, 1 ends there.
        """
        self._pdf.set_font(_FONT, "B" if bold else "", size)
        self._pdf.set_text_color(*colour)
        for line in [lines] if isinstance(lines, str) else lines:
            clean = self._clean(line)
            left = x - align * self._pdf.get_string_width(clean)
            self._pdf.text(left, y + 0.95 * size * _POINT, clean)
            y += line_height(size)
        return y

    def box(
        self, x: float, y: float, width: float, height: float, *, fill: Colour | None = None, edge: Colour | None = None
    ) -> None:
        """A rectangle, filled, framed or both."""
        if fill is not None:
            self._pdf.set_fill_color(*fill)
        if edge is not None:
            self._pdf.set_draw_color(*edge)
        style = ("D" if edge is not None else "") + ("F" if fill is not None else "")
        self._pdf.set_line_width(0.3)
        self._pdf.rect(x, y, width, height, style=style)

    def stripes(self, x: float, y: float, width: float, height: float, *, colour: Colour, step: float = 6) -> None:
        """Slanted bars within a rectangle."""
        self._pdf.set_fill_color(*colour)
        with self._pdf.rect_clip(x, y, width, height):
            for number in range(-int(height / step) - 1, int(width / step) + 1, 2):
                left = x + number * step
                self._pdf.polygon(
                    [(left, y + height), (left + step, y + height), (left + step + height, y), (left + height, y)],
                    style="F",
                )

    def line(self, y: float, *, colour: Colour = (190, 190, 190)) -> None:
        """A thin line from margin to margin."""
        self._pdf.set_draw_color(*colour)
        self._pdf.set_line_width(0.2)
        self._pdf.line(MARGIN, y, WIDTH - MARGIN, y)

    def picture(self, pixels: NDArray[np.uint8], x: float, y: float, *, width: float, height: float) -> float:
        """A picture, as large as fits into ``width`` and ``height``, centred between the sides; gives its lower end."""
        rows, columns = len(pixels), len(pixels[0])
        scale = min(width / columns, height / rows)
        wide, high = columns * scale, rows * scale
        self._pdf.image(_jpeg(pixels, wide), x + (width - wide) / 2, y, wide, high)
        return y + high

    def _clean(self, text: str) -> str:
        """On one line, and with a mark for letters that the font lacks."""
        line = " ".join(unicodedata.normalize("NFC", text).split())
        return "".join(letter if ord(letter) in self._letters else "\N{REPLACEMENT CHARACTER}" for letter in line)


def line_height(size: float) -> float:
    """Millimetres from line to line."""
    return size * _POINT * _LEADING


def _jpeg(pixels: NDArray[np.uint8], width: float) -> io.BytesIO:
    """No finer than a printer shows: the page is a document and no image to measure on."""
    image = Image.fromarray(pixels)
    image.thumbnail((round(width * _PIXELS_PER_MM), 4096), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88, subsampling=0)
    file.seek(0)
    return file
