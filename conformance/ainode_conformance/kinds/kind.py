"""One kind of result, and making it with the node's own encoder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from fhir.resources.R4B.bundle import Bundle

from ainode.encode.encoder import Encoder
from ainode.encode.kept_findings import FINDINGS
from ainode.journal import tables
from ainode.journal.orders import OrderJournal
from ainode.journal.runs import RunRow, RunSpec
from ainode.orders.study_orders import StudyOrders
from ainode_conformance.kinds.findings import Run
from ainode_conformance.kinds.reviews import Decide, announcements, write_review
from ainode_conformance.kinds.samples import dicom_sources
from ainode_conformance.kinds.source import SOURCES, Source, without_reference
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_fhir.bundle import as_json
from ainode_fhir.datatypes import Json
from ainode_fhir.order import Number, Order
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.tables import metadata
from ainode_models.findings import Findings, Segment

ALL = ("seg", "sc", "sr", "tree", "pdf", "fhir")
"""Every output that a rule can ask for, but Parametric Maps, which have kinds of their own."""
PROBABLE = (ALL[0], "pm", *ALL[1:])
"""Every output that a rule can ask for of a model that keeps probabilities."""
_DESTINATION = "archive"
_NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Kind:
    """One case: these findings on this source, with these options."""

    name: str
    source: str
    """Name in `SOURCES`."""
    findings: Run
    outputs: tuple[str, ...] = ALL
    site: Site = field(default_factory=Site)
    replaces: bool = False
    """Whether it takes the place of the result of a run before."""
    form: SegmentationForm = SegmentationForm.BINARY
    """That its destination wants."""
    order: Order | None = None
    """What came by HL7 v2 for the study, whatever patient and study it names."""
    review: Decide | None = None
    """What a human decided about it."""
    announced: bool = False
    """Whether what FHIR says of its run beside its result is written, too."""


@dataclass(frozen=True)
class Made:
    """The objects of one kind, or of one kind with a seeded defect."""

    name: str
    files: Mapping[str, Path]
    """By what they are: ``seg``, ``labelmap``, ``split1``, ``pm1``, ``sc1``, ``sr``, ``tree``, ``pdf``.

    Those of FHIR: ``report``, ``withdrawal``, ``review``, ``registered``, ``ended``, ``never``.
    """
    subjects: frozenset[str]
    """Those of ``files`` that are to be checked; the others are there for comparison."""
    source: Source
    findings: Findings

    def dicom(self, *prefixes: str) -> Mapping[str, Path]:
        """The DICOM objects to check whose names start with one of ``prefixes``, or all."""
        return {
            name: path
            for name, path in self.files.items()
            if path.suffix == ".dcm" and name in self.subjects and name.startswith(prefixes or "")
        }

    def segments(self, name: str) -> Mapping[int, Segment]:
        """Those in the segmentation ``name``, by their number there."""
        present = self.findings.present
        if name.startswith("split"):
            return {1: present[int(name.removeprefix("split")) - 1]}
        return dict(enumerate(present, start=1))

    def fhir(self) -> Mapping[str, Path]:
        """The FHIR bundles to check."""
        return {name: path for name, path in self.files.items() if path.suffix == ".json" and name in self.subjects}


def make_all(kinds: Sequence[Kind], folder: Path) -> list[Made]:
    """The objects of each kind below ``folder``, and the sources that they need, each once."""
    names = dict.fromkeys(kind.source for kind in kinds)
    (folder / "sources").mkdir(parents=True)
    sources = {name: SOURCES[name](folder / "sources" / name.replace(" ", "-")) for name in names}
    return [make(kind, sources[kind.source], folder / "objects") for kind in kinds]


def make(kind: Kind, source: Source, folder: Path) -> Made:
    """The objects of ``kind`` on ``source``, whatever source it names, in a folder below ``folder``."""
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    store = ResourceStore(engine, clock=lambda: _NOW)
    forms = {_DESTINATION: kind.form}
    encoder = Encoder(
        folder,
        equipment=dicom_sources.EQUIPMENT,
        site=kind.site,
        store=store,
        forms=forms,
        orders=_ordered(kind, source, engine, store),
    )
    findings = kind.findings(source)
    rows = [_row(kind, source, retry) for retry in range(1 + kind.replaces)]
    replaced: tuple[str, ...] = ()
    for row in rows:
        findings = replace(findings, run_id=row.run_id)
        images = source.images if findings.analysed else without_reference(source.images)
        encoder.encode(
            replace(row, supersedes=next(iter(replaced), None)),
            findings,
            images,
            study=source.study,
            replaced=replaced,
        )
        replaced = (row.run_id,)
    engine.dispose()
    own = folder / rows[-1].run_id
    for name, bundle in _beside(kind, rows[-1], findings, source, own).items():
        (own / f"{name}.json").write_text(json.dumps(as_json(bundle)), encoding="utf-8")
    files = {path.stem: path for path in sorted(own.iterdir()) if path.name != FINDINGS}
    return Made(kind.name, files, frozenset(files), source, findings)


def _ordered(kind: Kind, source: Source, engine: sa.Engine, store: ResourceStore) -> StudyOrders | None:
    """Where the kind has an order for the study of ``source``, the orders that have it."""
    if kind.order is None:
        return None
    tables.metadata.create_all(engine)
    journal, header = OrderJournal(engine, _NOW.timestamp), source.images.evidence[0]
    patient = Number(str(header.PatientID))
    journal.keep([replace(kind.order, patients=(patient,), study_uid=source.study.study_uid)], "")
    return StudyOrders(journal, store, kind.site)


def _beside(kind: Kind, run: RunRow, findings: Findings, source: Source, folder: Path) -> Mapping[str, Bundle]:
    """What the node writes before and after the result."""
    made = announcements(run, findings, source, kind.site) if kind.announced else {}
    if kind.review:
        made |= {"review": write_review(folder, kind.review, kind.site, bundle=bundle_of)}
    return made


def _row(kind: Kind, source: Source, retry: int) -> RunRow:
    spec = RunSpec(
        study_uid=source.study.study_uid,
        rule="conformance",
        model=kind.name,
        model_version="1",
        weights_sha256="",
        inputs={"image": tuple(str(ds.SOPInstanceUID) for ds in source.images.evidence)},
        outputs=kind.outputs,
        destinations=(_DESTINATION,),
        priority=5,
        retry=retry,
    )
    return RunRow(
        run_id=spec.run_id,
        study_uid=spec.study_uid,
        number=1,
        rule=spec.rule,
        model=spec.model,
        model_version=spec.model_version,
        state="running",
        outcome=None,
        reason=None,
        supersedes=None,
        superseded_by=None,
        created_at=0,
        started_at=0,
        finished_at=None,
        spec=spec,
    )


def bundle_of(file: Path) -> Json:
    """A FHIR bundle as it was written."""
    bundle: Json = json.loads(file.read_text(encoding="utf-8"))
    return bundle
