"""The REST interface put together from the settings."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from ainode import peers
from ainode.api.endpoints import About, Endpoints
from ainode.api.guard import Guard
from ainode.api.jobs import Jobs
from ainode.api.keys import ApiKeys
from ainode.api.operations import OPERATIONS
from ainode.api.predicting import Predicting
from ainode.api.predictions import Intake, Predictions
from ainode.api.predictor import Predictor, Worker
from ainode.api.rate_limit import RateLimit
from ainode.api.result_store import Bounds, ResultStore
from ainode.api.review_desk import ReviewDesk
from ainode.api.routes import api_routes
from ainode.dicomweb.workers import Workers
from ainode.journal.reviews import ReviewJournal
from ainode.places import Places
from ainode.receive.free_space import FreeSpace
from ainode.settings import Settings
from ainode.settings.agreement import LOOPBACK
from ainode_models.registry import Registry


@dataclass(frozen=True)
class Api:
    """What the node needs of the interface."""

    routes: list[BaseRoute]
    predictions: Predictions
    """To be stepped now and then, and closed at the end."""


def api(
    settings: Settings,
    places: Places,
    *,
    registry: Registry,
    worker: Worker,
    space: FreeSpace,
    reviews: ReviewJournal,
) -> Api:
    """The interface of one node."""
    wanted, clock = settings.api, time.time
    folder, root = places.api, peers.api_url(settings)
    results = ResultStore(folder / "results", Bounds(wanted.keep, wanted.cache_bytes), clock)
    predictor = Predictor(
        worker,
        results,
        equipment=peers.equipment(settings),
        root=root,
        longest=wanted.max_inflated,
    )
    jobs = Jobs(folder / "jobs", most=wanted.max_waiting, keep=wanted.keep, clock=clock)
    intake = Intake(folder / "uploads", wanted.max_upload, space.admit)
    predictions = Predictions(predictor, jobs, results, intake=intake, clock=clock)
    aliases = {alias.name: alias.model for alias in wanted.alias}
    workers = Workers(count=wanted.max_uploads, silence=wanted.silence)
    predicting = Predicting(predictions, registry, aliases, workers, root)
    always = wanted.keys == "required" or settings.web.host not in LOOPBACK
    hosts = frozenset({*LOOPBACK, settings.web.host, urlsplit(root).hostname or ""})
    guard = Guard(ApiKeys(places.api_keys), always, hosts, RateLimit(wanted.rate, time.monotonic))
    desk = ReviewDesk(reviews, places.results, guard.key)
    endpoints = Endpoints(predicting, About(root, peers.version(), settings.models.device), desk)
    return Api(api_routes(OPERATIONS, endpoints, guard), predictions)
