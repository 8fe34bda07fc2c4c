"""One notification over HTTP."""

import json

import httpx

from ainode_fhir.datatypes import Json
from ainode_fhir.subscription.channel import Channel

_TYPE = "application/fhir+json; fhirVersion=4.0"


def post(http: httpx.Client, channel: Channel, bundle: Json) -> int:
    """Status of the subscriber's answer, whose body is not read; 0 when there is none in time. Nothing is followed."""
    headers = [*channel.headers, ("content-type", _TYPE), ("connection", "close")]
    try:
        with http.stream(
            "POST",
            channel.endpoint,
            content=json.dumps(bundle).encode(),
            headers=headers,
            timeout=channel.timeout,
            follow_redirects=False,
        ) as answer:
            return answer.status_code
    except httpx.HTTPError:
        return 0
