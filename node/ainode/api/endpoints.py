"""What each operation does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ainode.api.described import model_answer
from ainode.api.events import events
from ainode.api.node_answers import HealthAnswer, ModelsAnswer
from ainode.api.openapi import openapi
from ainode.api.operation import Operation
from ainode.api.operations import OPERATIONS
from ainode.api.overlays import BEST_OVERLAY, overlay_name
from ainode.api.predicting import Predicting
from ainode.api.predictions import GONE, Predictions
from ainode.api.predictor import MASK, SEG
from ainode.api.responses import json_response
from ainode.api.review_desk import ReviewDesk
from ainode.dicomweb.problem import WebProblem

Endpoint = Callable[[Request], Awaitable[Response]]
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

    predicting: Predicting
    about: About
    desk: ReviewDesk

    @property
    def predictions(self) -> Predictions:
        """What is asked of the models, and what was answered."""
        return self.predicting.predictions

    def of(self, operation: Operation) -> Endpoint:
        """What serves an operation."""
        files = {"mask": (MASK, "application/gzip"), "seg": (SEG, "application/dicom")}
        files["overlay"] = (BEST_OVERLAY, "image/png")
        if operation.name in files:
            name, kind = files[operation.name]
            return partial(self._file, name=name, kind=kind)
        if operation.name in ("review", "reviews"):
            return cast(Endpoint, getattr(self.desk, operation.name))
        return cast(Endpoint, getattr(self, operation.name))

    async def health(self, _request: Request) -> Response:
        """Whether there is a model, and how much waits."""
        good, _ = await run_in_threadpool(self.predicting.registry.survey)
        status = 200 if good else 503
        answer = HealthAnswer(
            status="ok" if good else "failing",
            version=self.about.version,
            models=len(good),
            waiting=self.predictions.jobs.waiting,
            device=self.about.device,
        )
        return json_response(answer, status)

    async def describe(self, _request: Request) -> Response:
        """The description of all this."""
        return JSONResponse(openapi(OPERATIONS, version=self.about.version, root=self.about.root))

    async def models(self, _request: Request) -> Response:
        """Every package of the registry."""
        good, bad = await run_in_threadpool(self.predicting.registry.survey)
        listed = [model_answer(package, self.predicting.aliases, root=self.about.root) for package in good]
        return json_response(ModelsAnswer(models=listed, unreadable=len(bad)))

    async def predict(self, request: Request) -> Response:
        """One input."""
        return await self.predicting.answer(request, request.path_params["model"])

    async def batch(self, request: Request) -> Response:
        """Several inputs."""
        return await self.predicting.answer(request, request.path_params["model"], batch=True)

    async def explain(self, request: Request) -> Response:
        """One input, with heat maps."""
        method = request.path_params["method"]
        if method not in _METHODS:
            raise WebProblem(404, f"no such explanation; there are {', '.join(_METHODS)}")
        return await self.predicting.answer(request, request.path_params["model"], explain=method)

    async def explain_query(self, request: Request) -> Response:
        """The same."""
        if not (model := request.query_params.get("model")):
            raise WebProblem(400, "name the model: ?model=")
        request.path_params["model"] = model
        return await self.explain(request)

    async def job(self, request: Request) -> Response:
        """How far it is."""
        return json_response(
            (await run_in_threadpool(self.predictions.job, request.path_params["id"])).answer(self.about.root)
        )

    async def cancel(self, request: Request) -> Response:
        """Forget it."""
        if not await run_in_threadpool(self.predictions.cancel, request.path_params["id"]):
            raise WebProblem(404, GONE)
        return Response(status_code=204)

    async def events(self, request: Request) -> Response:
        """How far it is, as it goes."""
        job = await run_in_threadpool(self.predictions.job, request.path_params["id"])
        stream = events(job.id, self.predictions.jobs.get, self.about.root)
        return StreamingResponse(
            stream, media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )

    async def result(self, request: Request) -> Response:
        """An answer that is kept."""
        answer = await run_in_threadpool(self.predictions.results.get, request.path_params["id"])
        if answer is None:
            raise WebProblem(404, GONE)
        return json_response(answer)

    async def class_overlay(self, request: Request) -> Response:
        """Heat map of one class."""
        return await self._file(request, name=overlay_name(request.path_params["number"]), kind="image/png")

    async def _file(self, request: Request, *, name: str, kind: str) -> Response:
        path = await run_in_threadpool(self.predictions.results.file, request.path_params["id"], name)
        content = await run_in_threadpool(_content, path)
        disposition = f'attachment; filename="{name}"'
        return Response(content, media_type=kind, headers={"content-disposition": disposition})


def _content(path: Path | None) -> bytes:
    try:
        if path:
            return path.read_bytes()
    except FileNotFoundError:  # swept away between the look and the reading
        pass
    raise WebProblem(404, GONE)
