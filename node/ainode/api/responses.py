"""Answers and refusals as their clients get them."""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel
from starlette.responses import Response

from ainode.api.node_answers import Problem
from ainode.api.operation import JSON, PROBLEM
from ainode.dicomweb.problem import WebProblem


def json_response(answer: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer."""
    return Response(answer.model_dump_json(), status, headers=dict(headers or {}), media_type=JSON)


def problem_response(problem: WebProblem) -> Response:
    """A refusal (RFC 9457)."""
    status = problem.status
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=str(problem), message=str(problem))
    return Response(body.model_dump_json(), status, headers=problem.headers, media_type=PROBLEM)
