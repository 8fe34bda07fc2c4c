"""A net, whatever computes it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.float32]
"""``(n, 1, rows, columns)``, grey, 0 to 1."""
Ask = Callable[[Pictures], NDArray[np.float32]]
"""Gives what a net says of pictures; its first axis counts them."""
BATCH = 8
"""Pictures at once, so that memory does not grow with what is asked."""
