"""Takes out of a searchset what came along (``_include``, ``_revinclude``) and the caller may not see."""

import json

from starlette.types import Message, Send

from ainode_fhir.datatypes import Json
from ainode_fhir.smart.scope import Scopes


class Included:
    """ASGI ``send`` that holds the answer back until it is whole."""

    def __init__(self, send: Send, scopes: Scopes) -> None:
        self._send = send
        self._scopes = scopes
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:  # noqa: D102 - ASGI
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._visible() if self._start["status"] == 200 else self._body
        headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({**message, "body": body})

    def _visible(self) -> bytes:
        try:
            bundle: Json = json.loads(self._body)
        except ValueError:  # the empty answer to HEAD
            return self._body
        if "entry" in bundle:
            entries = [entry for entry in bundle["entry"] if self._may_see(entry)]
            bundle = {key: value for key, value in bundle.items() if key != "entry"}
            bundle |= {"entry": entries} if entries else {}
        return json.dumps(bundle).encode()

    def _may_see(self, entry: Json) -> bool:
        if entry.get("search", {}).get("mode") != "include":
            return True
        return self._scopes.allows(entry.get("resource", {}).get("resourceType", ""), "r")
