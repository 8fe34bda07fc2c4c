"""What a UID may look like."""

import re

from pydicom.uid import RE_VALID_UID

_VALID = re.compile(RE_VALID_UID)
_MAX_LENGTH = 64


def is_valid_uid(text: str) -> bool:
    """Whether ``text`` obeys PS3.5 9.1: digits and dots, no leading zeros, at most 64 characters."""
    return len(text) <= _MAX_LENGTH and _VALID.fullmatch(text) is not None
