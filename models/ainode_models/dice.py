"""How far two masks agree."""

import numpy as np
from numpy.typing import NDArray


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|) of two masks of one shape (Dice 1945); 1 when both are empty."""
    total = int(np.count_nonzero(first) + np.count_nonzero(second))
    return 2 * int(np.count_nonzero(first & second)) / total if total else 1.0
