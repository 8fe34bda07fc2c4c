"""A node's spool, results and journal without the node, for tests of what leaves them."""

import time
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from ainode.journal.commitments import CommitmentJournal, CommitmentRequest, Reference
from ainode.journal.deliveries import DeliveryJournal
from ainode.journal.instances import InstanceJournal, Place, StoredInstance
from ainode.journal.retention import RetentionJournal
from ainode.journal.runs import ResultRow, RunJournal, RunSpec
from ainode.journal.studies import StudyJournal
from ainode.receive.free_space import Room
from ainode.receive.spool import Spool
from ainode.retain.retention import Retention, Terms
from ainode.retain.sweeper import Sweeper

DAY = 86400.0
CT = "1.2.840.10008.5.1.4.1.1.2"
SENDER = "C-STORE SCU"
SPEC = RunSpec(
    study_uid="1.1",
    rule="head",
    model="t1-head-demo",
    model_version="1.0.0",
    weights_sha256="ab" * 32,
    inputs={"T1": ("1.1.0",)},
    outputs=("sr",),
    destinations=("pacs",),
    priority=5,
)


class Site:
    """A node's spool, results and journal, whose clock may be set forwards."""

    def __init__(self, folder: Path, engine: sa.Engine, *, committed_days: float = 0) -> None:
        self.ahead = 0.0
        self.engine = engine
        self.spool = Spool(folder / "spool")
        self.results = folder / "results"
        self.results.mkdir(exist_ok=True)
        self.instances = InstanceJournal(engine, self.clock)
        self.studies = StudyJournal(engine, self.clock)
        self.runs = RunJournal(engine, self.clock)
        self.deliveries = DeliveryJournal(engine, self.clock)
        self.commitments = CommitmentJournal(engine, self.clock)
        self.journal = RetentionJournal(engine, self.clock, committed_days=committed_days)
        self.free = 1000

    def clock(self) -> float:
        """Seconds since 1970, perhaps of a time to come."""
        return time.time() + self.ahead

    def sweeper(self, grace: float = 60) -> Sweeper:
        """As after a start of the node."""
        return Sweeper(self.journal, self.spool, self.results, clock=self.clock, grace=grace)

    def retention(self, *, days: float = 0, least: int = 0, grace: float = 60) -> Retention:
        """Of which a step looks at everything."""
        terms = Terms(days, lambda folder: Room(folder, self.free, least))
        return Retention(self.journal, self.spool, self.sweeper(grace), terms=terms, clock=self.clock)

    def receive(self, study: str, *, count: int = 2, settled: str = "routed") -> list[str]:
        """Take in a study of some objects and settle it; SOP Instance UIDs."""
        uids = [f"{study}.{number}" for number in range(count)]
        for uid in uids:
            self.receive_one(uid)
        places = [Place(row.id, study, f"{study}.9", CT) for row in self.instances.to_index()]
        self.instances.settle(places, [])
        self.settle(study, settled)
        return uids

    def receive_one(self, uid: str) -> StoredInstance:
        """File first, then the row."""
        kept = self.spool.write(uid, [b"\0" * 100, uid.encode()])
        item = StoredInstance(uid, kept.sha256, kept.path, kept.bytes, SENDER)
        self.instances.stored([item])
        return item

    def settle(self, study: str, state: str) -> None:
        """Have the completer's verdict."""
        row = self.studies.get(study)
        assert row
        assert self.studies.settle(row, state, state)

    def run(self, study: str, *, finished: bool = True) -> str:
        """A run on the study, with one result for one destination."""
        spec = replace(SPEC, study_uid=study)
        self.runs.create(spec)
        if finished:
            folder = self.results / spec.run_id
            folder.mkdir()
            (folder / "sr.dcm").write_bytes(b"report")
            result = ResultRow(spec.run_id, "SR", f"{spec.run_id}/sr.dcm", CT, f"{study}.77", f"{study}.7")
            self.runs.finished(spec.run_id, outcome="findings", reason=None, objects=[result])
        return spec.run_id

    def deliver(self, run_id: str) -> None:
        """The destination shows the result."""
        for row in self.deliveries.of_run(run_id):
            self.deliveries.delivered(row)

    def commit(self, uids: list[str]) -> None:
        """A peer asks for commitment, and is told."""
        references = tuple(Reference(CT, uid) for uid in uids)
        request = CommitmentRequest(f"1.2.{time.time_ns()}", "SCU", "127.0.0.1", references)
        self.commitments.reported(self.commitments.asked(request, wait=0))

    def files(self) -> set[str]:
        """Every file of the spool, relative to it."""
        return {str(path.relative_to(self.spool.folder)) for path in self.spool.folder.rglob("*") if path.is_file()}

    def known(self) -> set[str]:
        """The files that the journal names."""
        with self.engine.connect() as connection:
            return set(connection.scalars(sa.text("select path from instances")))

    def searched(self) -> str:
        """What searches over DICOMweb are answered from."""
        with self.engine.connect() as connection:
            return repr(connection.execute(sa.text("select * from study_headers")).all())

    def state(self, study: str) -> str:
        """State of a study."""
        row = self.studies.get(study)
        assert row
        return row.state


def step_until_calm(retention: Retention, site: Site) -> None:
    """Let time go by between the steps, as in a node."""
    for _ in range(4):
        retention.step()
        site.ahead += 61
