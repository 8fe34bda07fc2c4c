"""UIDs and ids that derive from what they name, so that doing a thing twice makes the same object.

A UID is ``2.25.`` and the decimal value of a version 5 UUID, as PS3.5 B.2 allows.
"""

from uuid import UUID, uuid5

_NAMESPACE = UUID("6a1f0c6e-1c5b-5e0e-9d4b-4f7d3a0c2b11")


def derived_uuid(*parts: str) -> UUID:
    """UUID that is a function of ``parts`` alone; their order counts."""
    return uuid5(_NAMESPACE, "\x1f".join(parts))


def derived_uid(*parts: str) -> str:
    """DICOM UID that is a function of ``parts`` alone; their order counts."""
    return f"2.25.{derived_uuid(*parts).int}"
