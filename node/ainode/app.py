"""The node, put together: receive, complete, route, run, encode, deliver.

::

    C-STORE  ─► Listener ─┐
    STOW-RS  ─► StoreService ────────┤
    archive  ─► Follower ─► Fetcher ─┤   files in the Spool, rows in the journal
    MLLP     ─► OrderListener        │   orders in the journal; StudyOrders shows them
                                     ▼
                                  Indexer        which study and series, or refused with a reason
                                     ▼
                                 Completer       complete? then the Planner routes it: runs in the journal
                                     ▼
                                 RunQueue        a durable workflow for each run
                     RunStages: prepare ─► infer (ModelWorkers) ─► encode (Encoder)
                                     ▼           objects and deliveries in the journal
                                 Reviewing       what humans decided, in FHIR and in the deliveries
                                     ▼
                                  Outbox         one for each destination, until the destination shows the result

The stages know nothing of each other: each finds its work in the journal, so that the node may be stopped, or
killed, between any two lines.
"""

import time
from datetime import UTC, datetime
from functools import partial

import sqlalchemy as sa
import structlog
from starlette.routing import BaseRoute

from ainode import peers
from ainode.api.services import api
from ainode.commitment.provider import CommitmentProvider
from ainode.commitment.report import Reporter
from ainode.commitment.verdict import Judge
from ainode.complete.archive_counts import ArchiveCounts
from ainode.complete.completer import Completer
from ainode.complete.verdict import Patience
from ainode.deliver.outbox import Outbox, RetryPolicy
from ainode.deliver.results import Results
from ainode.dicomweb import services as dicomweb
from ainode.encode.encoder import Encoder
from ainode.encode.registration import Registrations
from ainode.encode.reviewing import Reviewing
from ainode.fetch.fetcher import Fetcher
from ainode.fetch.follower import Follower
from ainode.fhir_service import fhir_service
from ainode.folder_lock import FolderLock
from ainode.health import Health
from ainode.journal.commitments import CommitmentJournal
from ainode.journal.database import open_database
from ainode.journal.deliveries import DeliveryJournal
from ainode.journal.instances import InstanceJournal
from ainode.journal.orders import OrderJournal
from ainode.journal.priors import PriorJournal
from ainode.journal.retention import RetentionJournal
from ainode.journal.reviews import ReviewJournal
from ainode.journal.runs import RunJournal, RunRow
from ainode.journal.studies import StudyJournal
from ainode.loop import Loop
from ainode.orders.intake import OrderIntake
from ainode.orders.listener import OrderListener
from ainode.orders.study_orders import Forgetting, StudyOrders
from ainode.places import Places
from ainode.receive.indexer import Indexer
from ainode.receive.listener import Listener
from ainode.receive.registrar import Registrar
from ainode.receive.spool import Spool
from ainode.retain.retention import Retention, Terms
from ainode.retain.sweeper import Sweeper
from ainode.route.plan import Planner
from ainode.run.announcements import Announcements
from ainode.run.metrics import count_run
from ainode.run.prior import Priors
from ainode.run.stages import RunStages
from ainode.run.workers import Limits, ModelWorkers
from ainode.run.workflow import RunQueue, RunWorkflow
from ainode.settings import REPORT_KINDS, Settings
from ainode.web.server import WebServer, build_app
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_fhir.store import ResourceStore
from ainode_fhir.subscription.watch import note_event
from ainode_models.registry import Registry
from ainode_orthanc.changes import ChangeFeed

log = structlog.get_logger()

_IDLE = 0.25
"""Seconds that a stage rests when the journal has nothing for it."""
_LOOK_FOR_OLD = 10.0
"""Seconds between two looks for studies whose time is over."""
_LOOK_AT_DISK = 1.0
"""Seconds between two looks at the free space."""


class App:
    """One node; ``start`` returns when it receives, ``stop`` when it no longer does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        clock = time.time
        places = Places.of(settings)
        self._lock = FolderLock(places.folder)
        engine = open_database(places.journal_url)
        self._instances = InstanceJournal(engine, clock, newest=settings.complete.same_uid == "newest")
        self._studies = StudyJournal(engine, clock)
        self._runs = RunJournal(engine, clock)
        self._deliveries = DeliveryJournal(engine, clock)
        self._store = ResourceStore(
            engine, clock=lambda: datetime.now(UTC), base_url=peers.fhir_url(settings), written=note_event
        )
        self._space = peers.free_space(settings, places)
        self._spool = Spool(places.spool, self._space, stock=settings.spool.stock)
        self._registry = Registry(settings.models.folder)
        self._places = places
        self._order_journal = OrderJournal(engine, clock)
        self._orders = StudyOrders(self._order_journal, self._store, peers.site(settings))
        limits = Limits.of(settings.models)
        self._worker = ModelWorkers(device=settings.models.device, timeout=settings.models.timeout, limits=limits)
        self._reviews = ReviewJournal(engine, clock)
        self._announcements = self._announcing()
        self._outboxes = self._delivering()
        self._stages = self._run_stages(engine)
        self._queue = RunQueue(
            RunWorkflow(self._stages, self._runs, self._run_ended),
            self._runs,
            database_url=places.workflow_url,
            models=limits.processes,
            register=self._announcements.register,
        )
        self._running = Loop("runs", self._queue.step, interval=_IDLE)
        self._completing = self._completer()
        self._indexing = Loop(
            "indexer",
            Indexer(self._instances, self._spool).step_when_calm,
            interval=_IDLE,
            then=[self._completing],
        )
        commitments = CommitmentJournal(engine, clock)
        judge = Judge(commitments, self._spool, Registrar(self._spool, self._instances))
        self._reporting = self._reporter(commitments, judge)
        self._listener = Listener(
            peers.listener_options(settings),
            self._spool,
            commitment=CommitmentProvider(commitments, judge, on_waiting=self._reporting.wake),
        )
        self._loops = [
            Loop("disk space", self._space.step, interval=_LOOK_AT_DISK),
            self._indexing,
            Loop("stock", self._spool.stock.refill, interval=_IDLE),
            self._completing,
            *self._fetching(),
            self._running,
            Loop("idle models", self._worker.end_idle, interval=_LOOK_FOR_OLD),
            Loop("reviews", self._reviewing().step, interval=_IDLE, then=self._outboxes),
            *self._outboxes,
            self._reporting,
        ]
        self._loops.append(self._retention(engine))
        self._order_listener = self._ordering()
        self._fhir = fhir_service(settings, places, engine=engine, store=self._store)
        self._loops.append(Loop("record of access", self._fhir.trail.step, interval=_IDLE))
        self._loops.append(Loop("subscriptions", self._fhir.notifier.step, interval=_IDLE))
        self._web = self._web_server([*self._dicomweb(engine), *self._api()])

    def start(self) -> None:
        """Take up what a stop or crash left, then receive."""
        self._lock.take()
        self._spool.remove_leftovers()
        self._stages.remove_leftovers()
        self._queue.start()
        for loop in self._loops:
            loop.start()
        self._web.start()
        self._listener.start()
        if self._order_listener:
            self._order_listener.start()
        log.info("started", ae_title=self._settings.dicom.ae_title, port=self._listener.port)

    def stop(self) -> None:
        """End associations and requests; a run under way goes on with the next start."""
        self._listener.stop()
        if self._order_listener:
            self._order_listener.stop()
        self._web.stop()
        for loop in self._loops:
            loop.end()  # all at once: each may be in the middle of a long step
        for loop in self._loops:
            loop.stop()
        self._fhir.close()
        self._lock.free()
        log.info("stopped")

    def _run_ended(self, run: RunRow) -> None:
        count_run(run)
        self._running.wake()  # there is a place for another

    def _wake_outboxes(self) -> None:
        for loop in self._outboxes:
            loop.wake()

    def _completer(self) -> Loop:
        complete = self._settings.complete
        completer = Completer(
            instances=self._instances,
            studies=self._studies,
            runs=self._runs,
            spool=self._spool,
            planner=Planner(self._settings, self._registry, is_urgent=self._orders.is_urgent),
            archives=[ArchiveCounts(archive.name, peers.dicomweb(archive)) for archive in self._settings.archive],
            patience=Patience(quiet=complete.quiet, interval=complete.archive_check_interval),
            clock=time.time,
        )
        return Loop("completer", completer.step, interval=_IDLE, rest=completer.rest, then=[self._running])

    def _announcing(self) -> Announcements:
        asking = peers.asking_for_registered(self._settings)
        return Announcements(
            runs=self._runs,
            reviews=self._reviews,
            instances=self._instances,
            spool=self._spool,
            registry=self._registry,
            store=self._store,
            site=peers.site(self._settings),
            orders=self._orders,
            registrations=Registrations(self._deliveries, self._places.results, asking) if asking else None,
        )

    def _reviewing(self) -> Reviewing:
        return Reviewing(
            reviews=self._reviews,
            results=self._places.results,
            store=self._store,
            site=peers.site(self._settings),
            destinations=peers.fhir_destinations(self._settings),
            tell=self._announcements.tell,
        )

    def _run_stages(self, engine: sa.Engine) -> RunStages:
        settings = self._settings
        encoder = Encoder(
            self._places.results,
            equipment=peers.equipment(settings),
            site=peers.site(settings),
            store=self._store,
            forms=peers.segmentation_forms(settings),
            orders=self._orders,
            card=self._registry.card,
        )
        return RunStages(
            instances=self._instances,
            runs=self._runs,
            spool=self._spool,
            registry=self._registry,
            worker=self._worker,
            encoder=encoder,
            work=self._places.work,
            priors=Priors(PriorJournal(engine, newest=settings.complete.same_uid == "newest"), self._places.results),
            announcements=self._announcements,
            posted=self._wake_outboxes,
            reviews=self._reviews,
        )

    def _fetching(self) -> list[Loop]:
        """Follow and fetch, for each archive that is followed."""
        loops = []
        for archive in self._settings.archive:
            if not archive.follow:
                continue
            feed = ChangeFeed(archive.orthanc, peers.credentials(archive), timeout_seconds=archive.timeout)
            follower = Follower(archive.name, feed, self._studies, from_start=archive.follow_from == "start")
            fetcher = Fetcher(
                archive.name,
                peers.dicomweb(archive),
                self._spool,
                instances=self._instances,
                studies=self._studies,
                runs=self._runs,
            )
            fetching = Loop(f"fetch {archive.name}", fetcher.step, interval=_IDLE, then=[self._indexing])
            loops.append(Loop(f"follow {archive.name}", follower.step, interval=archive.poll, then=[fetching]))
            loops.append(fetching)
        return loops

    def _delivering(self) -> list[Loop]:
        """One outbox for each destination: one that is down holds up no other."""
        policy = self._policy
        results = Results(self._runs, self._places.results)
        forms = peers.segmentation_forms(self._settings)
        return [
            Loop(
                f"deliver {item.name}",
                Outbox(
                    item.name,
                    peers.destination(item, self._settings),
                    self._deliveries,
                    policy=policy,
                    result=partial(
                        results.get, form=forms.get(item.name, SegmentationForm.BINARY), registered=item.registered
                    ),
                    clock=time.time,
                    in_order=item.kind in REPORT_KINDS,  # a report may refer to the one before; objects say their time
                ).step,
                interval=_IDLE,
            )
            for item in self._settings.destination
        ]

    def _retention(self, engine: sa.Engine) -> Loop:
        settings = self._settings.retention
        journal = RetentionJournal(engine, time.time, committed_days=settings.committed_days)
        sweeper = Sweeper(journal, self._spool, self._places.results, clock=time.time)
        terms = Terms(settings.days, peers.room_to_make(self._settings))
        retention = Retention(journal, self._spool, sweeper, terms=terms, clock=time.time)
        return Loop("retention", retention.step, interval=_LOOK_FOR_OLD)

    def _ordering(self) -> OrderListener | None:
        """What takes orders, where a port is set; what it took before is shown in any case."""
        settings = self._settings.orders
        showing = Loop("orders", self._orders.step, interval=_IDLE)
        self._loops.append(showing)
        if settings.days:
            forgetting = Forgetting(self._order_journal, days=settings.days)
            self._loops.append(Loop("old orders", forgetting.step, interval=_LOOK_FOR_OLD))
        if not settings.port:
            return None
        intake = OrderIntake(self._order_journal, lambda: datetime.now(UTC), on_kept=showing.wake)
        return OrderListener(peers.order_options(self._settings), intake)

    def _reporter(self, commitments: CommitmentJournal, judge: Judge) -> Loop:
        reporter = Reporter(
            commitments,
            judge,
            peer=lambda row: peers.commitment_peer(row, self._settings),
            policy=self._policy,
            clock=time.time,
        )
        return Loop("storage commitment", reporter.step, interval=_IDLE)

    @property
    def _policy(self) -> RetryPolicy:
        deliver = self._settings.deliver
        return RetryPolicy(deliver.first_retry, deliver.max_retry, deliver.give_up_after)

    def _dicomweb(self, engine: sa.Engine) -> list[BaseRoute]:
        """DICOMweb's routes, and the loop behind its searches, where it is enabled."""
        if not self._settings.dicomweb.enabled:
            return []
        describing = dicomweb.describer(self._settings, engine, self._spool)
        self._loops.append(Loop("describer", describing.step, interval=_IDLE))
        return dicomweb.routes(self._settings, engine, self._spool, journal=self._instances, describing=describing)

    def _api(self) -> list[BaseRoute]:
        """Routes of the REST interface, and the loop that removes what it keeps no longer, where it is enabled."""
        if not self._settings.api.enabled:
            return []
        served = api(
            self._settings,
            self._places,
            registry=self._registry,
            worker=self._worker,
            space=self._space,
            reviews=self._reviews,
        )
        self._loops.append(Loop("api", served.predictions.step, interval=_LOOK_FOR_OLD))
        return served.routes

    def _web_server(self, more: list[BaseRoute]) -> WebServer:
        web = self._settings.web
        health = Health(self._loops, self._studies, self._space)
        return WebServer(
            build_app(health=health.parts, fhir=self._fhir.routes, more=more), host=web.host, port=web.port
        )
