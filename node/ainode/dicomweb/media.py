"""Media types that a client accepts (RFC 9110 12.5.1, PS3.18 8.7)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request

from ainode.dicomweb.problem import WebProblem

JSON = "application/dicom+json"
DICOM = "application/dicom"
MULTIPART = "multipart/related"
_NOT_LISTED = "*/*"


@dataclass(frozen=True)
class MediaRange:
    """One element of Accept."""

    kind: str
    parameters: dict[str, str] = field(default_factory=dict)
    """Names in lower case, values without quotes."""

    def covers(self, kind: str) -> bool:
        """Whether ``kind`` is in this range."""
        return self.kind in (_NOT_LISTED, kind) or self.kind == kind.partition("/")[0] + "/*"

    @property
    def part(self) -> "MediaRange":
        """The range of the parts of a multipart answer."""
        return MediaRange(self.parameters.get("type", _NOT_LISTED).lower())


def media_ranges(request: Request) -> list[MediaRange]:
    """What the client accepts; the query parameter ``accept`` counts before the header (PS3.18 8.3.3.1)."""
    given = ", ".join(request.query_params.getlist("accept")) or ", ".join(request.headers.getlist("accept"))
    found = [media_range(text) for text in _split(given, ",")]
    return [item for item in found if item.parameters.get("q", "1") not in ("0", "0.0", "0.00", "0.000")] or (
        [] if found else [MediaRange(_NOT_LISTED)]
    )


def media_range(text: str) -> MediaRange:
    """One media type with its parameters."""
    kind, *parameters = _split(text, ";") or [""]
    pairs = (item.partition("=") for item in parameters)
    return MediaRange(kind.lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs})


def check_json(request: Request) -> None:
    """WebProblem 406 unless DICOM JSON will do."""
    if not any(item.covers(JSON) or item.covers("application/json") for item in media_ranges(request)):
        raise WebProblem(406, f"only {JSON} is served here")


def syntaxes(ranges: Iterable[MediaRange]) -> set[str] | None:
    """Transfer syntaxes that the client names; None when any will do, and when it names none (PS3.18 8.7.3.5.2)."""
    named = {item.parameters.get("transfer-syntax", "*") for item in ranges}
    return None if "*" in named else named


def _split(text: str, mark: str) -> list[str]:
    parts = re.findall(rf'(?:[^{mark}"]|"[^"]*")+', text)
    return [part.strip() for part in parts if part.strip()]
