"""The interface as Starlette routes; whatever goes wrong is a problem document (RFC 9457)."""

from collections import defaultdict
from collections.abc import Iterable
from http import HTTPMethod
from traceback import format_tb

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from ainode.api.endpoints import Endpoint, Endpoints
from ainode.api.guard import Guard
from ainode.api.operation import Operation
from ainode.api.responses import problem_response
from ainode.dicomweb.problem import WebProblem

_log = structlog.get_logger()
_EVERY_METHOD = [method.value for method in HTTPMethod]


def api_routes(operations: Iterable[Operation], endpoints: Endpoints, guard: Guard) -> list[BaseRoute]:
    """``/api/v1``."""
    listed = tuple(operations)
    routes = [
        Route(
            _path(operation),
            _answered(endpoints.of(operation), None if operation.open else guard),
            methods=[operation.method],
        )
        for operation in listed
    ]
    methods: dict[str, set[str]] = defaultdict(set)
    for operation in listed:
        methods[_path(operation)].add(operation.method)
    others = [_others(path, ", ".join(sorted(known)), guard) for path, known in methods.items()]
    nothing = Route("/{path:path}", _answered(_nothing, guard), methods=_EVERY_METHOD)
    return [Mount("/api/v1", routes=[*routes, *others, nothing])]


def _path(operation: Operation) -> str:
    return operation.path.replace("{number}", "{number:int}")


async def _nothing(_request: Request) -> Response:
    raise WebProblem(404, "nothing is served here; see /api/v1/openapi.json")


def _others(path: str, allowed: str, guard: Guard) -> Route:
    """The methods that no operation at ``path`` has."""

    async def refuse(_request: Request) -> Response:
        raise WebProblem(405, f"this address takes {allowed}", headers={"allow": allowed})

    return Route(path, _answered(refuse, guard), methods=_EVERY_METHOD)


def _answered(endpoint: Endpoint, guard: Guard | None) -> Endpoint:
    """``endpoint`` for those whom ``guard`` lets through, and whose every failure is a problem document."""

    async def answer(request: Request) -> Response:
        try:
            if guard:
                guard.check(request)
            return await endpoint(request)
        except WebProblem as problem:
            return problem_response(problem)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception as exc:  # noqa: BLE001 - the edge: the caller is always answered
            where = "".join(format_tb(exc.__traceback__))
            _log.error("request failed", method=request.method, error=type(exc).__name__, where=where)
            return problem_response(WebProblem(500, "the node failed; its log says why"))

    return answer
