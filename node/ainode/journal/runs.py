"""Journal of the runs and of their result objects."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from string import digits
from typing import Any

import sqlalchemy as sa

from ainode.journal.database import insert_new
from ainode.journal.deliveries import deliver_again, first_delivery
from ainode.journal.tables import deliveries, results, runs
from ainode_models.uids import derived_uuid

_ORDER = ("SEG", "LABELMAP", "SPLIT", "PM", "SC", "SR", "TREE", "PDF", "FHIR")


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides the result of a run."""

    study_uid: str
    rule: str
    model: str
    model_version: str
    weights_sha256: str
    inputs: Mapping[str, tuple[str, ...]]
    """SOP Instance UIDs of each model input."""
    outputs: tuple[str, ...]
    """``seg``, ``pm``, ``sc``, ``sr``, ``tree``, ``pdf``, ``fhir``."""
    destinations: tuple[str, ...]
    priority: int
    """1 runs first."""
    retry: int = 0
    """How often a person asked for the run again after it failed."""
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """SHA-256 of the file of each of ``inputs``, for a UID may come to stand for another object; empty in old rows."""
    contested: tuple[str, ...] = ()
    """Those of ``files`` that are one of several objects with their UID."""
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Which volume of its series an input takes, as its rule says; not there for a series of one volume."""

    @property
    def run_id(self) -> str:
        """Function of the study, the inputs with their volumes, the model with its weights, and the outputs."""
        inputs = [f"{name}={','.join(sorted(uids))}" for name, uids in sorted(self.inputs.items())]
        # Not all files: their heads differ by the way on which they came.
        inputs += sorted(self.contested)
        model = (self.model, self.model_version, self.weights_sha256)
        # Only what is there: the runs of rules without it keep their ids
        volumes = [f"volumes={json.dumps(self.volumes, sort_keys=True)}"] if self.volumes else []
        parts = (*model, *sorted(self.outputs), *inputs, *volumes, str(self.retry))
        return str(derived_uuid("run", self.study_uid, *parts))


@dataclass(frozen=True)
class RunRow:
    """One run and how far it is."""

    run_id: str
    study_uid: str
    number: int
    rule: str
    model: str
    model_version: str
    state: str
    outcome: str | None
    reason: str | None
    supersedes: str | None
    superseded_by: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    spec: RunSpec


@dataclass(frozen=True)
class OpenRun:
    """A run that has not ended, without its long list of images."""

    run_id: str
    priority: int
    study_uid: str
    rule: str
    state: str
    """``queued`` or ``running``."""


@dataclass(frozen=True)
class ResultRow:
    """One encoded object of a run."""

    run_id: str
    kind: str
    """``SEG``, ``LABELMAP``, ``SR``, ``TREE``, ``PDF``, ``FHIR``; ``SPLIT``, ``PM`` and ``SC`` with a number of what
    they hold or show."""
    path: str
    """Relative to the results folder."""
    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None
    series_uid: str | None = None

    @property
    def group(self) -> str:
        """Its kind without the number, which all objects of one sort share."""
        return self.kind.rstrip(digits)


class RunJournal:
    """Rows of ``runs`` and ``results``; one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def create(self, spec: RunSpec) -> bool:
        """Queue a run unless the same input was already given to the same model; whether it is new.

        It supersedes the latest run of the same rule on the same study, which a retry must be one of: a run that was
        replaced since is not to come back. Where another rule asked for the same run, its result goes to the
        destinations of both.
        """
        with self._engine.begin() as connection:
            same_rule = sa.and_(runs.c.study_uid == spec.study_uid, runs.c.rule == spec.rule)
            before = connection.execute(
                sa.select(runs.c.run_id, runs.c.number).where(same_rule).order_by(runs.c.number.desc())
            ).first()
            if spec.retry and (before is None or before.run_id not in (spec.run_id, _retried(spec))):
                return False
            new = insert_new(
                connection,
                runs,
                {
                    "run_id": spec.run_id,
                    "study_uid": spec.study_uid,
                    "number": before.number + 1 if before else 1,
                    "rule": spec.rule,
                    "model": spec.model,
                    "model_version": spec.model_version,
                    "priority": spec.priority,
                    "spec": asdict(spec),
                    "state": "queued",
                    "supersedes": before.run_id if before else None,
                    "created_at": self._clock(),
                },
            )
            if not new:
                _share(connection, spec, self._clock())
            elif before:
                _supersede(connection, before.run_id, spec.run_id)
        return new

    def started(self, run_id: str) -> bool:
        """Record the first start of a run; False when it has ended, or was replaced before it began."""
        with self._engine.begin() as connection:
            connection.execute(
                runs.update()
                .where(runs.c.run_id == run_id, runs.c.state == "queued")
                .values(state="running", started_at=self._clock())
            )
        return self.get(run_id).state == "running"

    def finished(self, run_id: str, *, outcome: str, reason: str | None, objects: Sequence[ResultRow]) -> None:
        """Record, in one transaction, the end of a run, its objects and one delivery per destination.

        The first end of a run stands: a later call changes nothing.
        """
        now = self._clock()
        state = "failed" if outcome in ("failed", "refused") else "finished"
        with self._engine.begin() as connection:
            ended = connection.execute(
                runs.update()
                .where(runs.c.run_id == run_id, runs.c.finished_at.is_(None))
                .values(state=state, outcome=outcome, reason=reason, finished_at=now)
            )
            if not ended.rowcount:
                return
            for item in objects:
                insert_new(connection, results, vars(item))
            row = connection.execute(sa.select(runs).where(runs.c.run_id == run_id)).one()
            if objects and not row.superseded_by:
                _post(connection, run_id, row.spec["destinations"], now)

    def get(self, run_id: str) -> RunRow:
        """One run; ``LookupError`` when there is none of that id."""
        found = self._rows(runs.c.run_id == run_id)
        if not found:
            raise LookupError(f"no run {run_id}")
        return found[0]

    def all(self, limit: int = 100) -> list[RunRow]:
        """The newest runs, newest first."""
        return self._rows(sa.true(), limit)

    def unfinished(self) -> list[OpenRun]:
        """Runs that are queued or running, oldest first."""
        columns = (runs.c.run_id, runs.c.priority, runs.c.study_uid, runs.c.rule, runs.c.state)
        query = sa.select(*columns).where(runs.c.state.in_(("queued", "running")))
        with self._engine.connect() as connection:
            return [OpenRun(*row) for row in connection.execute(query.order_by(runs.c.created_at))]

    def replaced(self, run_id: str) -> list[str]:
        """All runs that this one replaces, newest first: what it replaces may itself never have been reported."""
        found: list[str] = []
        with self._engine.connect() as connection:
            earlier: str | None = run_id
            while earlier := connection.scalar(sa.select(runs.c.supersedes).where(runs.c.run_id == earlier)):
                found.append(earlier)
        return found

    def of_study(self, study_uid: str) -> list[RunRow]:
        """Runs on one study, newest first."""
        return self._rows(runs.c.study_uid == study_uid, None)

    def objects(self, run_id: str) -> list[ResultRow]:
        """Encoded objects of a run: segmentations first, then PM, SC, SR, TREE, PDF and FHIR."""
        query = sa.select(results).where(results.c.run_id == run_id)
        with self._engine.connect() as connection:
            found = [ResultRow(**row) for row in connection.execute(query).mappings()]
        return sorted(found, key=lambda item: (_ORDER.index(item.group), len(item.kind), item.kind))

    def made_here(self, sop_instance_uids: Sequence[str]) -> set[str]:
        """Those of ``sop_instance_uids`` that this node made."""
        query = sa.select(results.c.sop_instance_uid).where(results.c.sop_instance_uid.in_(sop_instance_uids))
        with self._engine.connect() as connection:
            return {uid for uid in connection.scalars(query) if uid}

    def _rows(self, condition: sa.ColumnElement[bool], limit: int | None = None) -> list[RunRow]:
        query = sa.select(runs).where(condition).order_by(runs.c.created_at.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [_row(row) for row in connection.execute(query).mappings()]


def _retried(spec: RunSpec) -> str:
    """Id of the run that this one does again."""
    return replace(spec, retry=spec.retry - 1).run_id


def _share(connection: sa.Connection, spec: RunSpec, now: float) -> None:
    """Have the run of another rule, which makes the very same result, deliver where this rule wants it, too."""
    row = connection.execute(sa.select(runs).where(runs.c.run_id == spec.run_id)).one()
    more = [name for name in spec.destinations if name not in row.spec["destinations"]]
    if row.rule == spec.rule or row.superseded_by or not more:
        return
    shared = row.spec | {"destinations": [*row.spec["destinations"], *more]}
    connection.execute(runs.update().where(runs.c.run_id == spec.run_id).values(spec=shared))
    if row.finished_at is not None:
        _post(connection, spec.run_id, more, now)


def _post(connection: sa.Connection, run_id: str, destinations: Sequence[str], now: float) -> None:
    """Put the result of a run into the outbox; a destination that was told of the run before gets it as well."""
    for name in destinations:
        if not insert_new(connection, deliveries, first_delivery(run_id, name, now)):
            deliver_again(connection, run_id, [name], now)


def _supersede(connection: sa.Connection, old: str, new: str) -> None:
    """Mark the older run, which need not begin any more, and stop what of it was not yet delivered."""
    connection.execute(runs.update().where(runs.c.run_id == old).values(superseded_by=new))
    connection.execute(runs.update().where(runs.c.run_id == old, runs.c.state == "queued").values(state="superseded"))
    connection.execute(
        deliveries.update()
        .where(deliveries.c.run_id == old, deliveries.c.state == "pending")
        .values(state="superseded", reason=f"run {new} on more images replaced it")
    )


def _row(row: sa.RowMapping) -> RunRow:
    values = {name: row[name] for name in RunRow.__dataclass_fields__ if name != "spec"}
    stored = row["spec"]
    spec = RunSpec(
        **stored
        | {
            "inputs": {name: tuple(uids) for name, uids in stored["inputs"].items()},
            "files": {name: tuple(files) for name, files in stored.get("files", {}).items()},
            "contested": tuple(stored.get("contested", ())),
            "outputs": tuple(stored["outputs"]),
            "destinations": tuple(stored["destinations"]),
        }
    )
    return RunRow(**values, spec=spec)
