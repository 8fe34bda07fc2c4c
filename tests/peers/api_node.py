"""The REST interface of a node behind a real server, with a real model process, and its state in a folder."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ainode.api.predictor import Worker
from ainode.api.services import api
from ainode.journal.database import open_database
from ainode.journal.reviews import ReviewJournal
from ainode.places import Places
from ainode.receive.free_space import FreeSpace
from ainode.run.workers import ModelWorkers
from ainode.settings import Alias, Api, Models, Node, Settings, Web
from ainode.web.server import build_app
from ainode_models.registry import Registry
from peers.orthanc import free_port
from peers.shared_data import ROOT
from peers.web import serving

MODELS = ROOT / "models"


@dataclass(frozen=True)
class ApiNode:
    """What is served, and what lies behind it."""

    url: str
    """Root of the interface."""
    folder: Path
    """Of its state."""
    http: httpx.Client

    def files(self, part: str = "uploads") -> list[Path]:
        """Every file of one part of its state."""
        return sorted(path for path in (self.folder / "api" / part).rglob("*") if path.is_file())


@contextmanager
def model_worker() -> Iterator[ModelWorkers]:
    """The node's side of real model processes, which end with the block."""
    worker = ModelWorkers(device="cpu", timeout=240)
    try:
        yield worker
    finally:
        worker.stop()


@contextmanager
def api_node(folder: Path, worker: Worker, *, limits: Api | None = None, host: str = "127.0.0.1") -> Iterator[ApiNode]:
    """A node that only serves the REST interface; ``host`` is what its settings say, it is served on loopback."""
    port = free_port()
    wanted = limits or Api(enabled=True, alias=(Alias(name="nnUNet", model="brain-tumour-demo"),))
    web = Web(host=host, public_url=f"http://127.0.0.1:{port}")
    settings = Settings(node=Node(folder=folder), web=web, api=wanted, models=Models(folder=MODELS, device="cpu"))
    places = Places.of(settings)
    space = FreeSpace((folder,), least_bytes=0, least_percent=0)
    engine = open_database(places.journal_url)
    reviews = ReviewJournal(engine, time.time)
    served = api(settings, places, registry=Registry(MODELS), worker=worker, space=space, reviews=reviews)
    served.predictions.step()
    app = build_app(health=dict, fhir=[], more=served.routes)
    with contextlib.ExitStack() as stack:
        stack.callback(engine.dispose)
        stack.callback(served.predictions.close, wait=True)
        root = stack.enter_context(serving(app, port=port))
        http = stack.enter_context(httpx.Client(trust_env=False, timeout=240))
        yield ApiNode(f"{root}/api/v1", folder, http)
