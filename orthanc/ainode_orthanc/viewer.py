"""OHIF and the archive's DICOMweb under one origin, so that a browser needs no more than this address.

Reads only. Whoever reaches this address sees what the archive has under ``credentials``: keep it on loopback, or
behind something that asks who they are.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ainode_models.errors import ConfigError
from ainode_orthanc.auth import Credentials

APP_CONFIG = Path(__file__).resolve().parents[1] / "viewer" / "app-config.js"
_ASKED = ("accept", "accept-encoding", "range", "if-none-match")
_ANSWERED = ("content-type", "content-encoding", "content-length", "content-range", "etag")


def viewer_app(
    dist: Path,
    dicomweb_url: str,
    credentials: Credentials | None = None,
    *,
    app_config: Path = APP_CONFIG,
    timeout_seconds: float = 60,
) -> Starlette:
    """The viewer in ``dist`` (``scripts/ohif`` makes ``build/ohif/dist``) for the archive at ``dicomweb_url``."""
    for needed, where in ((dist / "index.html", "run scripts/ohif"), (app_config, "it lies beside orthanc.json")):
        if not needed.is_file():
            raise ConfigError(f"the viewer needs {needed}: {where}")
    archive = _Archive(dicomweb_url, credentials or Credentials(), timeout_seconds)

    async def config(_: Request) -> Response:
        return FileResponse(app_config, media_type="text/javascript")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await archive.close()

    return Starlette(
        routes=[
            Route("/app-config.js", config),
            Route("/dicom-web/{path:path}", archive.pass_on, methods=["GET"]),
            Mount("/", _SinglePage(directory=dist, html=True)),
        ],
        lifespan=lifespan,
    )


class _SinglePage(StaticFiles):
    """Static files, where an address that is no file is a page inside the application."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as exc:
            if exc.status_code != 404 or PurePosixPath(path).suffix:
                raise
            return await super().get_response("index.html", scope)


class _Archive:
    """Passes requests on to the archive and its answers back, piece by piece."""

    def __init__(self, dicomweb_url: str, credentials: Credentials, timeout_seconds: float) -> None:
        self._root = dicomweb_url.rstrip("/")
        self._http = httpx.AsyncClient(
            **credentials.client_arguments(),
            timeout=timeout_seconds,
            limits=httpx.Limits(keepalive_expiry=0.5),
        )

    async def pass_on(self, request: Request) -> Response:
        """One GET below ``/dicom-web``; 502 when the archive does not answer."""
        # The path as it was sent: decoding and encoding it again could make another one of it.
        path = request.scope["raw_path"].decode("ascii").partition("/dicom-web/")[2]
        if ".." in PurePosixPath(request.path_params["path"]).parts:
            return PlainTextResponse("no such resource", 404)
        asked = self._http.build_request(
            "GET",
            f"{self._root}/{path}",
            params=request.url.query or None,
            headers={name: request.headers[name] for name in _ASKED if name in request.headers} | _forwarded(request),
        )
        try:
            answer = await self._http.send(asked, stream=True)
        except httpx.TransportError as exc:
            return PlainTextResponse(f"the archive does not answer ({type(exc).__name__})", 502)
        return StreamingResponse(
            answer.aiter_raw(),
            answer.status_code,
            headers={name: answer.headers[name] for name in _ANSWERED if name in answer.headers},
            background=BackgroundTask(answer.aclose),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


def _forwarded(request: Request) -> dict[str, str]:
    """RFC 7239, so that the links in the archive's answers lead back here and not to another origin."""
    return {"Forwarded": f"host={request.url.netloc};proto={request.url.scheme}"}
