"""The one font of pictures and pages: DejaVu Sans, which comes with matplotlib and has Latin, Greek and Cyrillic."""

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont


def font_file(*, bold: bool = False) -> Path:
    """The TrueType file."""
    import matplotlib as mpl

    return Path(mpl.get_data_path(), "fonts", "ttf", f"DejaVuSans{'-Bold' if bold else ''}.ttf")


@lru_cache(maxsize=16)
def picture_font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font for drawing, ``size`` pixels high; laid out by Pillow itself, so that it looks alike everywhere."""
    return ImageFont.truetype(font_file(bold=bold), size, layout_engine=ImageFont.Layout.BASIC)
