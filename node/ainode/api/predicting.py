"""Requests for predictions: what they ask for, and their answer, now or later."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ainode.api.answers import Method
from ainode.api.predictions import Asked, Predictions, Submitted
from ainode.api.question import Options
from ainode.api.responses import json_response
from ainode.api.sent_files import boundary_of
from ainode.dicomweb.problem import WebProblem
from ainode.dicomweb.workers import Workers
from ainode.receive.uids import is_valid_uid
from ainode_models.errors import PackageError
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry


@dataclass(frozen=True)
class Predicting:
    """Answers requests that send files."""

    predictions: Predictions
    registry: Registry
    aliases: Mapping[str, str]
    """Names of models in addresses, to what they mean."""
    workers: Workers
    root: str
    """Address of the interface."""

    async def answer(
        self, request: Request, reference: str, *, batch: bool = False, explain: Method | None = None
    ) -> Response:
        """The prediction for the files of a request, or at once the job that makes it, as the request prefers."""
        boundary = boundary_of(request.headers.get("content-type", ""))
        later = _wants_job(request)
        package = await run_in_threadpool(self._package, reference)
        if explain and not package.manifest.classes:
            raise WebProblem(422, "the model segments: its mask shows where; only classifiers are explained")
        options = Options(_series_uid(request), explain)
        asked = Asked(package, options, batch)
        submitted = await self.workers.run(request, lambda chunks: self.predictions.submit(asked, chunks, boundary))
        return await (self._accepted(submitted) if later else self._awaited(submitted))

    async def _accepted(self, submitted: Submitted) -> Response:
        job = await run_in_threadpool(self.predictions.job, submitted.job_id)
        address = f"{self.root}/jobs/{job.id}"
        return json_response(job.answer(self.root), 202, {"location": address})

    async def _awaited(self, submitted: Submitted) -> Response:
        # Shielded: the job belongs to whoever asks for it, not to this connection.
        await asyncio.wait([asyncio.shield(asyncio.wrap_future(submitted.ended))])
        job = await run_in_threadpool(self.predictions.job, submitted.job_id)
        if job.reason is not None:
            raise WebProblem(job.status, job.reason, headers={"retry-after": "30"} if job.status == 503 else {})
        if job.result is None:
            raise WebProblem(503, "the node is stopping", headers={"retry-after": "60"})
        return json_response(job.result)

    def _package(self, reference: str) -> ModelPackage:
        """The model of that name, alias or ``name@version``; WebProblem 404 when none can be read, or it is retired."""
        try:
            return self.registry.current(self.aliases.get(reference, reference))
        except PackageError as exc:
            raise WebProblem(404, "no such model; GET /api/v1/models lists those there are") from exc


def _wants_job(request: Request) -> bool:
    given = request.query_params.get("async", "false").lower()
    if given not in ("true", "false", "1", "0"):
        raise WebProblem(400, "async is true or false")
    preferred = {item.strip().lower() for text in request.headers.getlist("prefer") for item in text.split(",")}
    return given in ("true", "1") or "respond-async" in preferred


def _series_uid(request: Request) -> str:
    uid = request.query_params.get("series", "")
    if uid and not is_valid_uid(uid):
        raise WebProblem(400, "series is no valid UID (PS3.5 9.1)")
    return uid
