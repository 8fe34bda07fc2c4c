"""What the pictures of a result have in common, whether slices or heat maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode.encode.caption import Line, caption_height, captioned, warnings
from ainode_dicom_sr.secondary_capture import Picture
from ainode_models.findings import Findings


@dataclass(frozen=True)
class Illustration:
    """A picture without its caption."""

    number: int
    """Its own among those of the run, from 1; of a heat map that of its class."""
    pixels: NDArray[np.uint8]
    """``(rows, columns, 3)``, RGB."""
    kind: str
    """As that of `ainode_dicom_sr.secondary_capture.Picture`."""
    titles: tuple[str, str]
    """What it shows, in English and in Spanish."""
    legend: tuple[Line, ...]
    """What else its caption says."""
    sources: tuple[int, ...]
    """Places of the images that it shows, among those that the result refers to."""
    orientation: tuple[str, str] | None = None
    """``PatientOrientation`` of rows and columns, where it is not that of the source."""


def pictures(findings: Findings, drawn: Sequence[Illustration]) -> list[Picture]:
    """With their captions, which are of one height: a viewer leafs through them without a jump."""
    captions = [(Line(each.titles[0]), *each.legend, *warnings(findings.algorithm)) for each in drawn]
    heights = [caption_height(each.pixels.shape[1], lines) for each, lines in zip(drawn, captions, strict=True)]
    return [
        Picture(
            number=each.number,
            pixels=captioned(each.pixels, lines, height=max(heights)),
            kind=each.kind,
            derivation=each.titles[0],
            orientation=each.orientation,
        )
        for each, lines in zip(drawn, captions, strict=True)
    ]
