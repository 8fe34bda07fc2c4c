"""Text as searches compare it: case and accents do not count (https://hl7.org/fhir/R4/search.html#string)."""

import unicodedata


def fold(text: str) -> str:
    """``text`` in lower case, without accents, and with single blanks."""
    parts = unicodedata.normalize("NFKD", text)
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    return " ".join(bare.casefold().split())
