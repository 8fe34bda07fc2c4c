"""Pushing through a network that fails: the EHR has each resource once, and a patient's reports in their order."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from ainode import peers
from ainode.deliver.outbox import Outbox, RetryPolicy
from ainode.deliver.results import Results
from ainode.encode.encoder import Encoder
from ainode.encode.reviewing import Reviewing
from ainode.journal.database import open_database
from ainode.journal.deliveries import DeliveryJournal
from ainode.journal.reviews import ReviewDraft, ReviewJournal
from ainode.journal.runs import RunJournal, RunSpec
from ainode.journal.tables import instances
from ainode.settings import Destination, Settings
from ainode_fhir.bundle import search_key
from ainode_fhir.datatypes import Json
from ainode_fhir.review import Reviewer
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from peers.dicom_sources import EQUIPMENT
from peers.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from peers.fhir_receiver import medplum_receiver, own_receiver
from peers.fhir_samples import FAILED, NEGATIVE, POSITIVE, STUDY, Clock

_KINDS = (
    "Organization",
    "Device",
    "Patient",
    "ServiceRequest",
    "ImagingStudy",
    "Observation",
    "DiagnosticReport",
    "Provenance",
)
_STUDIES = {"1.2.1": "P-1", "1.2.2": "P-1", "1.2.3": "P-2", "1.2.4": "P-3"}
"""Patient of each study."""
_PATIENCE_S = 0.3
"""How long the node waits for an answer."""


@contextmanager
def ehr(kind: str, folder: Path) -> Iterator[str]:
    if kind == "medplum":
        with medplum_receiver() as url:
            yield url
    else:
        with own_receiver(folder) as own:
            yield own.url


@dataclass
class Node:
    """The node's side: journal, reports and outbox, with a clock that a test sets."""

    folder: Path
    proxy: FaultyProxy
    engine: Engine
    now: float = 1_000_000.0
    newest: dict[str, str] = field(default_factory=dict)
    """Run id of the newest finished run of each study."""

    def __post_init__(self) -> None:
        """Start empty."""
        self.store = ResourceStore(self.engine, clock=Clock())
        self._encoder = Encoder(self.folder / "results", equipment=EQUIPMENT, site=Site(), store=self.store)
        self._runs = RunJournal(self.engine, self.clock)
        self.deliveries = DeliveryJournal(self.engine, self.clock)
        ehr = Destination(name="ehr", kind="fhir", url=self.proxy.url, timeout=_PATIENCE_S)
        self.outbox = Outbox(
            "ehr",
            peers.destination(ehr, Settings()),
            self.deliveries,
            policy=RetryPolicy(2, 8, 10**6),
            result=Results(self._runs, self.folder / "results").get,
            clock=self.clock,
            in_order=True,
        )

    def clock(self) -> float:
        """Seconds since 1970."""
        return self.now

    def finish_run(self, study_uid: str, number: int) -> None:
        """The ``number``-th run on a study, which replaces the one before, as the node makes it."""
        inputs = {"T1": tuple(f"{study_uid}.{each}" for each in range(number))}
        spec = RunSpec(study_uid, "rule", "model", "1", "ab", inputs, ("fhir",), ("ehr",), 5)
        assert self._runs.create(spec)
        findings = replace((POSITIVE, NEGATIVE, FAILED)[number % 3], run_id=spec.run_id)
        context = replace(STUDY, study_uid=study_uid, patient_id=_STUDIES[study_uid], accession_number=study_uid)
        run = self._runs.get(spec.run_id)
        (self.folder / "results" / spec.run_id).mkdir(parents=True)
        row = self._encoder._report(
            run, findings, context, objects=(), replaced=self._runs.replaced(run.run_id), page=None
        )
        self._runs.finished(run.run_id, outcome=findings.outcome.value, reason=None, objects=[row])
        self.newest[study_uid] = run.run_id

    def review_all(self) -> None:
        """A human accepts the newest result of each study."""
        reviews = ReviewJournal(self.engine, self.clock)
        for run_id in self.newest.values():
            reviews.add(ReviewDraft(run_id=run_id, verdict="accepted", reviewer=Reviewer("urn:x", "R-1"), via="test"))
        results = self.folder / "results"
        stage = Reviewing(reviews, results, self.store, Site(), destinations=["ehr"], tell=lambda _run_id: None)
        assert stage.step() == len(self.newest)

    def pending(self) -> bool:
        """Whether anything is still to be sent."""
        return any(row.state == "pending" for row in self.deliveries.all())


@contextmanager
def node_beside(ehr_url: str, folder: Path, *, seed: int, share: float) -> Iterator[Node]:
    with ExitStack() as stack:
        proxy = stack.enter_context(faulty_proxy(ehr_url, seed=seed, share=share))
        engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
        stack.callback(engine.dispose)
        with engine.begin() as connection:
            for number, (study_uid, patient) in enumerate(_STUDIES.items()):
                image = {"sop_instance_uid": f"{study_uid}.0", "sha256": str(number), "path": "p", "bytes": 1}
                image |= {"source": "test", "received_at": 1.0, "state": "indexed", "study_uid": study_uid}
                connection.execute(instances.insert().values(**image, patient=patient))
        yield Node(folder, proxy, engine)


@dataclass(frozen=True)
class Held:
    """What the EHR has, asked without the proxy."""

    client: httpx.Client

    def all(self, kind: str) -> list[Json]:
        """Every resource of a kind."""
        entries = self.client.get(f"/{kind}?_count=1000").json().get("entry", [])
        return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]

    def current(self) -> Counter[str]:
        """Reports of each accession that are not withdrawn."""
        reports = [body for body in self.all("DiagnosticReport") if body["status"] != "entered-in-error"]
        return Counter(json.dumps(body["basedOn"]) for body in reports)


def references(value: Any) -> set[str]:
    """Every literal reference in a piece of JSON."""
    if isinstance(value, list):
        return {found for item in value for found in references(item)}
    if not isinstance(value, dict):
        return set()
    own = {value["reference"]} if isinstance(value.get("reference"), str) else set()
    return own.union(*(references(item) for item in value.values()))


@pytest.mark.parametrize(("kind", "seed"), [("own", 8), ("medplum", 28)])
def test_an_ehr_behind_a_failing_network_has_each_resource_once_and_never_two_current_reports_of_a_study(
    tmp_path: Path, kind: str, seed: int
) -> None:
    random = Random(seed)
    rounds = [study for study in _STUDIES for _ in range(3)]
    random.shuffle(rounds)
    numbers = Counter[str]()
    with (
        ehr(kind, tmp_path) as url,
        node_beside(url, tmp_path, seed=seed, share=0.3) as node,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):
        held = Held(client)

        def step() -> None:
            done = node.outbox.step()
            node.now += 3
            assert not done or max(held.current().values(), default=0) <= 1

        for study in rounds:
            numbers[study] += 1
            node.finish_run(study, numbers[study])
            for _ in range(random.randint(1, 3)):
                step()
        for reviewed in (False, True):
            if reviewed:
                node.review_all()
            for _ in range(300):
                if not node.pending():
                    break
                step()
        node.proxy.forward_late(every=True)
        states = {row.run_id: (row.state, row.reason) for row in node.deliveries.all()}
        assert {states[run_id][0] for run_id in node.newest.values()} == {"delivered"}, states
        assert {state for state, _ in states.values()} <= {"delivered", "superseded"}, states
        assert set(node.proxy.met) == set(Fault)

        bodies = [body for one in _KINDS for body in held.all(one)]
        keys = Counter(f"{body['resourceType']}?{search_key(body)}" for body in bodies)
        assert {key: count for key, count in keys.items() if count > 1} == {}
        reports = {body["identifier"][0]["value"]: body["status"] for body in held.all("DiagnosticReport")}
        assert {run for run, status in reports.items() if status == "final"} == set(node.newest.values())
        assert set(reports.values()) == {"final", "entered-in-error"}
        reviews = [body for body in held.all("Provenance") if "/review/" in body["meta"]["tag"][0]["code"]]
        assert len(reviews) == len(node.newest)
        assert Counter(body["resourceType"] for body in bodies)["Patient"] == len(set(_STUDIES.values()))
        pointers = set().union(*(references(body) for body in bodies))
        assert pointers - {f"{body['resourceType']}/{body['id']}" for body in bodies} == set()
