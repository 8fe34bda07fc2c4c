"""What each operation does."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ainode.api.answers import HealthAnswer, Method, ModelsAnswer
from ainode.api.described import model_answer
from ainode.api.events import events
from ainode.api.jobs import Job
from ainode.api.openapi import openapi
from ainode.api.operation import Operation
from ainode.api.operations import OPERATIONS
from ainode.api.overlays import BEST_OVERLAY, overlay_name
from ainode.api.predictions import Asked, Predictions, Submitted
from ainode.api.predictor import MASK, SEG, Options
from ainode.api.sent_files import boundary_of
from ainode.dicomweb.problem import WebProblem
from ainode.dicomweb.workers import Workers
from ainode.receive.uids import is_valid_uid
from ainode_models.errors import PackageError
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry

Endpoint = Callable[[Request], Awaitable[Response]]
_GONE = "no such thing here, or it is kept no longer"
_METHODS = ("gradcam", "lime")


@dataclass(frozen=True)
class About:
    """This node, as its answers name it."""

    root: str
    """Address of the interface."""
    version: str
    device: str


@dataclass(frozen=True)
class Endpoints:
    """The operations of `OPERATIONS`, by their names."""

    predictions: Predictions
    registry: Registry
    aliases: Mapping[str, str]
    workers: Workers
    about: About

    def of(self, operation: Operation) -> Endpoint:
        """What serves an operation."""
        files = {"mask": (MASK, "application/gzip"), "seg": (SEG, "application/dicom")}
        files["overlay"] = (BEST_OVERLAY, "image/png")
        if operation.name in files:
            name, kind = files[operation.name]
            return partial(self._file, name=name, kind=kind)
        return cast(Endpoint, getattr(self, operation.name))

    async def health(self, _request: Request) -> Response:
        """Whether there is a model, and how much waits."""
        good, _ = await run_in_threadpool(self.registry.survey)
        status = 200 if good else 503
        answer = HealthAnswer(
            status="ok" if good else "failing",
            version=self.about.version,
            models=len(good),
            waiting=self.predictions.jobs.waiting,
            device=self.about.device,
        )
        return _json(answer, status)

    async def describe(self, _request: Request) -> Response:
        """The description of all this."""
        return JSONResponse(openapi(OPERATIONS, version=self.about.version, root=self.about.root))

    async def models(self, _request: Request) -> Response:
        """Every package of the registry."""
        good, bad = await run_in_threadpool(self.registry.survey)
        listed = [model_answer(package, self.aliases, root=self.about.root) for package in good]
        return _json(ModelsAnswer(models=listed, unreadable=len(bad)))

    async def predict(self, request: Request) -> Response:
        """One input."""
        return await self._predicted(request, request.path_params["model"])

    async def batch(self, request: Request) -> Response:
        """Several inputs."""
        return await self._predicted(request, request.path_params["model"], batch=True)

    async def explain(self, request: Request) -> Response:
        """One input, with heat maps."""
        method = request.path_params["method"]
        if method not in _METHODS:
            raise WebProblem(404, f"no such explanation; there are {', '.join(_METHODS)}")
        return await self._predicted(request, request.path_params["model"], explain=method)

    async def explain_query(self, request: Request) -> Response:
        """The same."""
        if not (model := request.query_params.get("model")):
            raise WebProblem(400, "name the model: ?model=")
        request.path_params["model"] = model
        return await self.explain(request)

    async def job(self, request: Request) -> Response:
        """How far it is."""
        return _json((await run_in_threadpool(self._job, request.path_params["id"])).answer(self.about.root))

    async def cancel(self, request: Request) -> Response:
        """Forget it."""
        if not await run_in_threadpool(self.predictions.cancel, request.path_params["id"]):
            raise WebProblem(404, _GONE)
        return Response(status_code=204)

    async def events(self, request: Request) -> Response:
        """How far it is, as it goes."""
        job = await run_in_threadpool(self._job, request.path_params["id"])
        stream = events(job.id, self.predictions.jobs.get, self.about.root)
        return StreamingResponse(
            stream, media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )

    async def result(self, request: Request) -> Response:
        """An answer that is kept."""
        answer = await run_in_threadpool(self.predictions.results.get, request.path_params["id"])
        if answer is None:
            raise WebProblem(404, _GONE)
        return _json(answer)

    async def class_overlay(self, request: Request) -> Response:
        """Heat map of one class."""
        return await self._file(request, name=overlay_name(request.path_params["number"]), kind="image/png")

    async def _file(self, request: Request, *, name: str, kind: str) -> Response:
        path = await run_in_threadpool(self.predictions.results.file, request.path_params["id"], name)
        content = await run_in_threadpool(_content, path)
        disposition = f'attachment; filename="{name}"'
        return Response(content, media_type=kind, headers={"content-disposition": disposition})

    async def _predicted(
        self, request: Request, reference: str, *, batch: bool = False, explain: Method | None = None
    ) -> Response:
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
        job = await run_in_threadpool(self._job, submitted.job_id)
        address = f"{self.about.root}/jobs/{job.id}"
        return _json(job.answer(self.about.root), 202, {"location": address})

    async def _awaited(self, submitted: Submitted) -> Response:
        # Shielded: the job belongs to whoever asks for it, not to this connection.
        await asyncio.wait([asyncio.shield(asyncio.wrap_future(submitted.ended))])
        job = await run_in_threadpool(self._job, submitted.job_id)
        if job.reason is not None:
            raise WebProblem(job.status, job.reason, headers={"retry-after": "30"} if job.status == 503 else {})
        if job.result is None:
            raise WebProblem(503, "the node is stopping", headers={"retry-after": "60"})
        return _json(job.result)

    def _job(self, job_id: str) -> Job:
        job = self.predictions.jobs.get(job_id)
        if job is None:
            raise WebProblem(404, _GONE)
        return job

    def _package(self, reference: str) -> ModelPackage:
        """The model of that name, alias or ``name@version``; WebProblem 404 when none can be read, or it is retired."""
        try:
            return self.registry.current(self.aliases.get(reference, reference))
        except PackageError as exc:
            raise WebProblem(404, "no such model; GET /api/v1/models lists those there are") from exc


def _json(answer: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(answer.model_dump_json(), status, headers=dict(headers or {}), media_type="application/json")


def _content(path: Path | None) -> bytes:
    try:
        if path:
            return path.read_bytes()
    except FileNotFoundError:  # swept away between the look and the reading
        pass
    raise WebProblem(404, _GONE)


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
