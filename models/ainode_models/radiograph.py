"""One projection image, as a model gets it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Radiograph:
    """Grey values as a person sees them, and what its header says of it.

    Attributes are empty texts where the header does not have them, or the image came without one (PNG, JPEG).
    """

    pixels: NDArray[np.float32]
    """``(rows, columns)``, 0 black to 1 white: air is dark, bone is bright."""
    modality: str = ""
    """``Modality`` (0008,0060): CR, DX, RG."""
    body_part: str = ""
    """``BodyPartExamined`` (0018,0015), or the meaning of Anatomic Region Sequence (0008,2218)."""
    view: str = ""
    """``ViewPosition`` (0018,5101), or the meaning of View Code Sequence (0054,0220): PA, AP, LL."""
