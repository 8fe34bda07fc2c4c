"""The encode stage: only what was asked for, the same objects however often, and an earlier report withdrawn."""

import hashlib
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from pydicom import dcmread

from ainode.deliver.results import Results
from ainode.encode.encoder import Encoder, Images
from ainode.encode.kept_findings import FINDINGS
from ainode.journal.database import open_database
from ainode.journal.runs import ResultRow, RunJournal, RunSpec
from ainode.route.rules import load_rules
from ainode.study import Series, Study
from ainode_dicom_sr.encapsulated_pdf import document_of
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_fhir.diagnostic_report import report_id
from ainode_fhir.query import Query
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_models.findings import Findings
from ainode_models.radiograph import Radiograph
from peers import dicom_sources
from peers.classified import CLASSES, NORMAL, classified, radiograph_header
from peers.dicom_checkers import assert_valid_iod
from peers.fhir_samples import Clock
from peers.probable import with_probabilities

HEADERS = dicom_sources.with_pixels(dicom_sources.series())
STUDY = Study(
    str(HEADERS[0].StudyInstanceUID),
    (Series(str(HEADERS[0].SeriesInstanceUID), HEADERS[0], tuple(str(ds.SOPInstanceUID) for ds in HEADERS)),),
)
IMAGES = Images(evidence=HEADERS, reference=HEADERS)
SPEC = RunSpec(
    study_uid=STUDY.study_uid,
    rule="r",
    model="brain-tumour-demo",
    model_version="1.0.0",
    weights_sha256="ab",
    inputs={"T1": STUDY.series[0].sop_uids},
    outputs=("seg", "sr", "fhir"),
    destinations=(),
    priority=5,
)


class Desk:
    """An encoder with its journal, its store and its results folder."""

    def __init__(self, engine: sa.Engine, folder: Path) -> None:
        self.folder = folder
        self.store = ResourceStore(engine, clock=Clock())
        self.runs = RunJournal(engine, time.time)
        self._encoder = Encoder(
            folder,
            equipment=dicom_sources.EQUIPMENT,
            site=Site(),
            store=self.store,
            forms={
                "pacs": SegmentationForm.BINARY,
                "viewer": SegmentationForm.LABELMAP,
                "old viewer": SegmentationForm.SPLIT,
            },
        )

    def encode(
        self,
        spec: RunSpec,
        findings: Findings,
        *,
        replaced: tuple[str, ...] = (),
        images: Images | None = None,
        study: Study = STUDY,
    ) -> list[ResultRow]:
        """Encode as the objects of the run of ``spec``, and record them."""
        self.runs.create(spec)
        found = replace(findings, run_id=spec.run_id)
        images = images or (IMAGES if found.label_map is not None else replace(IMAGES, reference=()))
        rows = self._encoder.encode(self.runs.get(spec.run_id), found, images, study=study, replaced=replaced)
        self.runs.finished(spec.run_id, outcome=found.outcome, reason=found.failure, objects=rows)
        return rows

    def report(self, spec: RunSpec) -> tuple[str, int]:
        """Status and version of a run's report in the store."""
        stored = self.store.read("DiagnosticReport", report_id(spec.run_id))
        assert stored
        return stored.content["status"], stored.version

    def files(self, spec: RunSpec) -> dict[str, bytes]:
        """What a run left in its folder, beside what is kept for reviews."""
        left = sorted((self.folder / spec.run_id).iterdir())
        return {path.name: path.read_bytes() for path in left if path.name != FINDINGS}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield Desk(engine, tmp_path / "results")
    engine.dispose()


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        (("seg", "sr", "fhir"), ["report.json", "seg.dcm", "sr.dcm"]),
        (("seg", "sr"), ["seg.dcm", "sr.dcm"]),
        (("seg",), ["seg.dcm"]),
        (("sr", "sc"), ["sc1.dcm", "sc2.dcm", "sc3.dcm", "sr.dcm"]),
        (("sr", "tree", "fhir"), ["report.json", "sr.dcm", "tree.dcm"]),
        (("pdf", "fhir"), ["pdf.dcm", "report.json"]),
        (("fhir",), ["report.json"]),
    ],
)
def test_only_the_outputs_that_were_asked_for_are_written_and_recorded(
    desk: Desk, outputs: tuple[str, ...], names: list[str]
) -> None:
    spec = replace(SPEC, outputs=outputs)
    rows = desk.encode(spec, dicom_sources.findings())
    assert list(desk.files(spec)) == names
    assert sorted(Path(row.path).name for row in rows) == names
    result = Results(desk.runs, desk.folder).get(spec.run_id)
    assert [item.path.name for item in result.dicom] == sorted(
        (name for name in names if name.endswith(".dcm")),
        key=lambda name: (name.startswith(("sr", "tree", "pdf")), name),
    )
    assert [path.name for path in result.bundles] == [name for name in names if name == "report.json"]
    for item in result.dicom:
        assert_valid_iod(item.path)
        assert dcmread(item.path).SOPInstanceUID == item.sop_instance_uid
        assert dcmread(item.path).StudyInstanceUID == STUDY.study_uid


WHOLE, LABEL_MAP, SPLIT = ["seg.dcm"], ["labelmap.dcm"], ["split1.dcm", "split2.dcm"]


@pytest.mark.parametrize(
    ("destinations", "sent", "reported"),
    [
        (("pacs", "viewer", "old viewer", "ehr"), {"binary": WHOLE, "labelmap": LABEL_MAP, "split": SPLIT}, WHOLE),
        (("viewer", "ehr"), dict.fromkeys(SegmentationForm, LABEL_MAP), LABEL_MAP),
        (("old viewer", "viewer"), {"binary": LABEL_MAP, "labelmap": LABEL_MAP, "split": SPLIT}, LABEL_MAP),
        (("old viewer",), dict.fromkeys(SegmentationForm, SPLIT), SPLIT),
        (("ehr",), dict.fromkeys(SegmentationForm, WHOLE), WHOLE),
    ],
    ids=["all", "labelmap", "labelmap and split", "split", "binary"],
)
def test_each_destination_gets_its_form_of_the_segmentation_and_all_of_them_one_report(
    desk: Desk, destinations: tuple[str, ...], sent: dict[SegmentationForm, list[str]], reported: list[str]
) -> None:
    spec = replace(SPEC, destinations=destinations)
    first, before = desk.encode(spec, dicom_sources.findings()), desk.files(spec)
    assert desk.encode(spec, dicom_sources.findings()) == first
    assert desk.files(spec) == before
    names = {name for each in sent.values() for name in each}
    assert set(before) == {*names, "sr.dcm", "report.json"}

    folder = desk.folder / spec.run_id
    for form in SegmentationForm:
        result = Results(desk.runs, desk.folder).get(spec.run_id, form=form)
        assert [item.path.name for item in result.dicom] == [*sent[form], "sr.dcm"]
    referred = dcmread(folder / "sr.dcm").CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    uids = [item.ReferencedSOPInstanceUID for series in referred for item in series.ReferencedSOPSequence]
    made = {name: dcmread(folder / name) for name in sorted(names)}
    assert [name for name, ds in made.items() if ds.SOPInstanceUID in uids] == reported
    assert all(ds.SOPInstanceUID in before["report.json"].decode() for ds in made.values())
    for name, ds in made.items():
        tracked = [item.TrackingUID for item in ds.SegmentSequence if item.SegmentNumber]
        present = [segment.tracking_uid for segment in dicom_sources.findings().present]
        assert tracked == ([present[SPLIT.index(name)]] if name in SPLIT else present)
    if reported != LABEL_MAP:  # dciodvfy of 2022 does not know that a label map has segments to refer to
        assert_valid_iod(folder / "sr.dcm")


def test_each_segment_has_a_parametric_map_that_goes_out_after_the_segmentation(desk: Desk) -> None:
    run, spec = with_probabilities(dicom_sources.findings()), replace(SPEC, outputs=("seg", "pm", "sr", "tree", "fhir"))
    first, before = desk.encode(spec, run), desk.files(spec)
    assert list(before) == ["pm1.dcm", "pm3.dcm", "report.json", "seg.dcm", "sr.dcm", "tree.dcm"]
    assert desk.encode(spec, run) == first
    assert desk.files(spec) == before
    result = Results(desk.runs, desk.folder).get(spec.run_id)
    assert [item.path.name for item in result.dicom] == ["seg.dcm", "pm1.dcm", "pm3.dcm", "sr.dcm", "tree.dcm"]
    for item in result.dicom:
        assert_valid_iod(item.path)
        assert f"urn:oid:{item.sop_instance_uid}" in before["report.json"].decode()
    tree, maps = dcmread(desk.folder / spec.run_id / "tree.dcm"), [item.sop_instance_uid for item in result.dicom[1:3]]
    assert all(uid in str(tree) for uid in maps)
    unasked = replace(SPEC, outputs=("seg", "sr"))
    desk.encode(unasked, run)
    assert list(desk.files(unasked)) == ["seg.dcm", "sr.dcm"]


def test_encoding_twice_writes_the_same_objects_and_one_version_of_the_report(desk: Desk) -> None:
    first = desk.encode(SPEC, dicom_sources.findings())
    before, version = desk.files(SPEC), desk.report(SPEC)
    assert desk.encode(SPEC, dicom_sources.findings()) == first
    assert desk.files(SPEC) == before
    assert desk.report(SPEC) == version == ("partial", 1)


@pytest.mark.parametrize(
    ("findings", "status"),
    [
        (dicom_sources.findings(np.zeros(dicom_sources.SHAPE, np.uint8)), "partial"),
        (dicom_sources.failed(), "cancelled"),
        (dicom_sources.refused(), "cancelled"),
    ],
    ids=["nothing found", "failed", "refused"],
)
def test_without_findings_there_is_no_segmentation_and_the_report_says_which_of_both_it_is(
    desk: Desk, findings: Findings, status: str
) -> None:
    spec = replace(SPEC, outputs=("seg", "sc", "sr", "pdf", "fhir"))
    desk.encode(spec, findings)
    assert list(desk.files(spec)) == ["pdf.dcm", "report.json", "sr.dcm"]
    for name in ("sr.dcm", "pdf.dcm"):
        assert_valid_iod(desk.folder / spec.run_id / name)
    assert desk.report(spec)[0] == status


def test_the_page_goes_with_the_fhir_report_as_it_is_in_dicom(desk: Desk) -> None:
    spec = replace(SPEC, outputs=("pdf", "fhir"))
    desk.encode(spec, dicom_sources.findings())
    stored = desk.store.read("DiagnosticReport", report_id(spec.run_id))
    assert stored
    (form,) = stored.content["presentedForm"]
    page = b64decode(form["data"])
    assert document_of(dcmread(desk.folder / spec.run_id / "pdf.dcm")) == page
    assert (form["contentType"], form["size"], page[:5]) == ("application/pdf", len(page), b"%PDF-")
    assert b64decode(form["hash"]) == hashlib.sha1(page).digest()
    assert desk.encode(spec, dicom_sources.findings())
    again = desk.store.read("DiagnosticReport", report_id(spec.run_id))
    assert again
    assert again.version == stored.version


def test_a_report_that_is_replaced_is_withdrawn_here_and_before_the_new_one_elsewhere(desk: Desk) -> None:
    later = replace(SPEC, retry=1)
    desk.encode(SPEC, dicom_sources.failed())
    for _ in range(2):
        desk.encode(later, dicom_sources.findings(), replaced=(SPEC.run_id,))
    assert desk.report(SPEC) == ("entered-in-error", 2)
    assert desk.report(later) == ("partial", 1)
    bundles = Results(desk.runs, desk.folder).get(later.run_id).bundles
    assert [path.name for path in bundles] == ["withdrawal.json", "report.json"]
    withdrawal, report = (path.read_text() for path in bundles)
    assert later.run_id not in withdrawal
    assert '"status": "entered-in-error"' in withdrawal
    assert f'"value": "{SPEC.run_id}"' in report


def test_the_study_of_a_run_that_replaces_another_has_the_images_of_now_and_the_results_of_both(desk: Desk) -> None:
    first = desk.encode(SPEC, dicom_sources.findings())
    now = replace(STUDY, series=(replace(STUDY.series[0], series_uid="2.25.999"),))
    second = desk.encode(replace(SPEC, retry=1), dicom_sources.findings(), replaced=(SPEC.run_id,), study=now)
    page = desk.store.search(Query("ImagingStudy"))
    (study,) = page.resources
    images, *results = [series["uid"] for series in study.content["series"]]
    assert images == "2.25.999"
    assert set(results) == {row.series_uid for row in (*first, *second) if row.series_uid}


@pytest.mark.parametrize(("line", "outputs"), [("", "seg sr fhir"), ('outputs = ["sr", "sc"]', "sr sc")])
def test_a_rule_that_does_not_say_what_it_wants_gets_no_pictures(tmp_path: Path, line: str, outputs: str) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(f'[[rule]]\nname = "r"\nmodel = "m"\n{line}\n[rule.input.T1]\nModality = "MR"\n')
    (rule,) = load_rules(rules)
    assert " ".join(rule.outputs) == outputs


def test_the_explanations_of_a_classifier_are_written_before_the_report_that_refers_to_them(desk: Desk) -> None:
    header, run = radiograph_header(), classified((*CLASSES, NORMAL))
    seen = Radiograph(np.zeros((4, 5), np.float32), "DX", "CHEST", "PA")
    images = Images(evidence=[header], reference=[header], radiograph=seen)
    spec = replace(SPEC, outputs=("seg", "sc", "sr", "fhir"))
    desk.encode(spec, run, images=images)
    assert list(desk.files(spec)) == ["report.json", "sc1.dcm", "sc2.dcm", "sr.dcm"]
    result = Results(desk.runs, desk.folder).get(spec.run_id)
    assert [item.path.name for item in result.dicom] == ["sc1.dcm", "sc2.dcm", "sr.dcm"]
    assert [dcmread(item.path).SOPInstanceUID for item in result.dicom] == [
        item.sop_instance_uid for item in result.dicom
    ]
    for item in result.dicom:
        assert_valid_iod(item.path)
    without = replace(SPEC, outputs=("sc", "sr"))
    desk.encode(without, replace(run, heatmaps=()), images=images)
    assert list(desk.files(without)) == ["sr.dcm"]
