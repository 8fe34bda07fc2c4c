"""DICOMweb and the upload of files as Starlette routes.

Nobody is asked who they are here: it is off unless ``[dicomweb] enabled``, and bound to loopback with all else.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from traceback import format_tb
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ainode.dicomweb.problem import WebProblem
from ainode.dicomweb.retrieve import RetrieveService
from ainode.dicomweb.search import SearchService
from ainode.dicomweb.store import StoreService
from ainode.dicomweb.upload import UploadService
from ainode.receive.uids import is_valid_uid
from ainode_models.errors import InstanceError

_log = structlog.get_logger()

_STUDY, _SERIES, _INSTANCE = (
    "/studies/{study}",
    "/studies/{study}/series/{series}",
    "/studies/{study}/series/{series}/instances/{instance}",
)
Endpoint = Callable[[Request], Awaitable[Response]]
Threaded = Callable[[Request], Response]


@dataclass(frozen=True)
class DicomWeb:
    """The services behind the routes."""

    store: StoreService
    search: SearchService
    retrieve: RetrieveService
    upload: UploadService


def dicomweb_routes(services: DicomWeb) -> list[BaseRoute]:
    """``/dicom-web`` (PS3.18 Table 10.1.1-1) and ``/upload``."""
    mount = Mount("/dicom-web", routes=[*_store(services), *_search(services), *_retrieve(services), _unmatched()])
    return [mount, Route("/upload", _answered(services.upload.upload), methods=["POST"])]


def _store(services: DicomWeb) -> list[Route]:
    return [Route(path, _answered(services.store.store), methods=["POST"]) for path in ("/studies", _STUDY)]


def _search(services: DicomWeb) -> list[Route]:
    search = services.search
    table: tuple[tuple[str, Endpoint], ...] = (
        ("/studies", search.studies),
        ("/series", search.series),
        (f"{_STUDY}/series", search.series),
        ("/instances", search.instances),
        (f"{_STUDY}/instances", search.instances),
        (f"{_SERIES}/instances", search.instances),
    )
    return [Route(path, _answered(endpoint), methods=["GET"]) for path, endpoint in table]


def _retrieve(services: DicomWeb) -> list[Route]:
    retrieve = services.retrieve
    levels: Sequence[str] = (_STUDY, _SERIES, _INSTANCE)
    table: tuple[tuple[str, Threaded], ...] = (
        *((path, retrieve.objects) for path in levels),
        *((f"{path}/metadata", retrieve.metadata) for path in levels),
        (f"{_INSTANCE}/frames/{{list}}", retrieve.frames),
        (f"{_INSTANCE}/bulkdata/{{tag}}", retrieve.bulk_data),
    )
    return [Route(path, _answered(_in_thread(endpoint)), methods=["GET"]) for path, endpoint in table]


def _unmatched() -> Route:
    async def nothing(_request: Request) -> Response:
        raise WebProblem(404, "nothing is served here; see docs/dicomweb.md")

    return Route("/{path:path}", _answered(nothing))


def _in_thread(endpoint: Threaded) -> Endpoint:
    async def run(request: Request) -> Response:
        return await run_in_threadpool(endpoint, request)

    return run


def _answered(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` whose every failure is a status and a line of text."""

    async def answer(request: Request) -> Response:
        try:
            _check_uids(request.path_params)
            return await endpoint(request)
        except WebProblem as problem:
            return PlainTextResponse(f"{problem}\n", status_code=problem.status, headers=problem.headers)
        except ClientDisconnect:
            return PlainTextResponse("", status_code=400)  # nobody is there to read it
        except InstanceError as exc:
            _log.error("not served", reason=str(exc))
            return PlainTextResponse(f"{exc}\n", status_code=500)
        except Exception as exc:  # noqa: BLE001 - the edge: the caller is always answered
            _log_failure(request, exc)
            return PlainTextResponse("the server failed; its log says why\n", status_code=500)

    return answer


def _check_uids(parameters: dict[str, Any]) -> None:
    if not all(is_valid_uid(parameters[name]) for name in ("study", "series", "instance") if name in parameters):
        raise WebProblem(400, "a UID of the address is no valid UID (PS3.5 9.1)")


def _log_failure(request: Request, exc: Exception) -> None:
    """Where it failed and with what, but not the message: a database error quotes the values searched for."""
    where = "".join(format_tb(exc.__traceback__))
    _log.error("request failed", method=request.method, error=type(exc).__name__, where=where)
