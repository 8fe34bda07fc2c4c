"""One operation of the interface: its route and its description are made from this."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import BaseModel

JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Reply:
    """An answer that an operation may give."""

    description: str
    content: Mapping[str, type[BaseModel] | None] = field(default_factory=dict)
    """Media type to model; None for bytes and text. Empty for an answer without a body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Name to description."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query or the header."""

    name: str
    place: str
    description: str
    schema: Mapping[str, object]
    required: bool = False


PATH_PARAMETERS: Mapping[str, tuple[str, Mapping[str, object]]] = MappingProxyType(
    {
        "model": (
            "name or name@version of a model, or an alias of [api]",
            {"type": "string", "pattern": r"^[A-Za-z0-9_.@-]{1,128}$"},
        ),
        "method": ("kind of explanation", {"type": "string", "enum": ["gradcam", "lime"]}),
        "id": ("id of a job or result", {"type": "string", "pattern": "^[0-9a-f]{32}$"}),
        "run": (
            "id of a run, the identifier of its DiagnosticReport",
            {"type": "string", "pattern": "^[0-9a-f-]{36}$"},
        ),
        "number": ("number of a class, from 1", {"type": "integer", "minimum": 1}),
    }
)
"""Description and schema of what stands in addresses."""


@dataclass(frozen=True)
class Operation:
    """What a client can do."""

    name: str
    method: str
    path: str
    summary: str
    replies: Mapping[int, Reply]
    parameters: tuple[Parameter, ...] = ()
    takes_files: bool = False
    takes: type[BaseModel] | None = None
    """What its body is, in JSON."""
    open: bool = False
    """Whether it asks for no key, and counts towards no limit."""
