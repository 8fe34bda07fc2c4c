"""What pydicom raises on damaged bytes."""

import struct
import zlib

from pydicom.errors import BytesLengthException

UNREADABLE = (
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Errors that mean damaged bytes, whichever element they lie in; none of them is a fault of ours to hide."""
