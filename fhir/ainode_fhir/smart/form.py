"""Forms that are posted to the server, read once and bounded."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from ainode_fhir.outcome import FhirProblem
from ainode_fhir.smart.problem import OAuthProblem

LONGEST = 1 << 18
"""Bytes of a form."""
_FORM = "application/x-www-form-urlencoded"


async def body_of(request: Request) -> bytes:
    """The body; FhirProblem (413) when it is longer than any form needs."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LONGEST:
            raise FhirProblem(413, "too-long", f"a form has {LONGEST} bytes at most")
        chunks.append(chunk)
    return b"".join(chunks)


async def form_of(request: Request) -> list[tuple[str, str]]:
    """Names and values of a form; OAuthProblem when it is none."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        raise OAuthProblem("invalid_request", f"must be posted as {_FORM}")
    try:
        body = await body_of(request)
    except FhirProblem as problem:
        raise OAuthProblem("invalid_request", str(problem)) from problem
    return parse_qsl(body.decode(errors="replace"))
