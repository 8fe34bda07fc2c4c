"""Where a page ends, as opaque text for a link."""

import base64
import binascii
import json

from ainode_fhir.outcome import FhirProblem

Key = int | str
_LARGEST = 2**63 - 1
"""Of the databases' integers."""


def encode(keys: list[Key]) -> str:
    """Text for a link that says behind which keys the next page starts."""
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def decode(text: str, kinds: tuple[type[int] | type[str], ...]) -> list[Key]:
    """The keys of a link that this server made, of these kinds; raises FhirProblem (400) for any other text."""
    try:
        keys = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise _damaged() from exc
    if not isinstance(keys, list) or [type(key) for key in keys] != list(kinds):
        raise _damaged()
    if any(abs(key) > _LARGEST if isinstance(key, int) else "\0" in key for key in keys):
        raise _damaged()
    return keys


def _damaged() -> FhirProblem:
    return FhirProblem(400, "value", "the page link is damaged: start the search again")
