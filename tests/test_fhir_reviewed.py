"""What a review makes of every kind of result: nothing is final without a human, and all stays valid."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine

from ainode.encode.imaging_context import imaging_context
from ainode.encode.kept_findings import keep_findings, kept_findings
from ainode_conformance.kinds.source import SOURCES
from ainode_conformance.kinds.table import KINDS
from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.datatypes import RUN_SYSTEM, Json
from ainode_fhir.push import FhirDestination
from ainode_fhir.review import Review, Reviewer, Struck, Verdict, check_review
from ainode_fhir.reviewed import reviewed_bundle
from ainode_fhir.site import Site
from ainode_models.errors import EncodingError, InputError, PeerUnreachable
from ainode_models.findings import Findings
from peers.classified import classified, not_classified, nothing_classified
from peers.fhir_checks import R4Checker
from peers.fhir_receiver import medplum_receiver, own_receiver
from peers.fhir_samples import FAILED, NECROSIS, NEGATIVE, OBJECTS, OEDEMA, POSITIVE, REFUSED, STARTED, STUDY
from peers.fhir_samples import codes_of as codes
from peers.fhir_service import fill, served
from peers.prior_samples import with_prior

SITE = Site()
TWO = replace(POSITIVE, segments=(OEDEMA, replace(OEDEMA, number=2, label="Necrosis", type=NECROSIS.type)))
SAMPLES: dict[str, Findings] = {
    "findings": POSITIVE,
    "two findings": TWO,
    "nothing": NEGATIVE,
    "partial": replace(POSITIVE, lacking=("heat maps, for the memory did not suffice",)),
    "compared": with_prior(POSITIVE),
    "classes": classified(),
    "no class": nothing_classified(),
    "failed": FAILED,
    "refused": REFUSED,
    "class refused": not_classified(),
}
REVIEWABLE = {name: findings for name, findings in SAMPLES.items() if findings.analysed}
WHO = Reviewer("urn:oid:1.2.276.99.7", "R-12", "Dr A. <Radiologist>")


def written(findings: Findings, site: Site = SITE) -> list[Json]:
    """All resources of a run, as the node writes them."""
    bundle = report_bundle(findings, STUDY, OBJECTS, site=site, page=b"%PDF-1.7 of a test")
    return [entry["resource"] for entry in as_json(bundle)["entry"]]


def review(findings: Findings, verdict: Verdict, *struck: int, reason: str = "", comment: str = "") -> Review:
    why = tuple(Struck(number, "an artefact <of motion>") for number in struck)
    at = STARTED + timedelta(hours=2)
    return Review(
        run_id=findings.run_id,
        number=1,
        verdict=verdict,
        reviewer=WHO,
        reviewed_at=at,
        reason=reason,
        comment=comment,
        struck=why,
    )


def reviewed(findings: Findings, given: Review, site: Site = SITE) -> list[Json]:
    bundle = reviewed_bundle(written(findings, site), findings, given, site=site)
    return [entry["resource"] for entry in as_json(bundle)["entry"]]


def one(resources: list[Json], kind: str) -> Json:
    return next(body for body in resources if body["resourceType"] == kind)


def statuses(resources: list[Json], kind: str) -> set[str]:
    return {body["status"] for body in resources if body["resourceType"] == kind}


@pytest.mark.parametrize("findings", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("site", [SITE, Site(report_status="preliminary")], ids=["partial", "preliminary"])
def test_nothing_is_final_without_a_human(findings: Findings, site: Site) -> None:
    resources = written(findings, site)
    every = {body["status"] for body in resources if body["resourceType"] in ("DiagnosticReport", "Observation")}
    assert every <= {"partial", "preliminary", "cancelled"}
    assert "resultsInterpreter" not in one(resources, "DiagnosticReport")


def test_no_kind_of_the_conformance_program_is_final_without_a_human(tmp_path: Path) -> None:
    """Those that differ in nothing but their images are left out."""
    sources = {name: SOURCES[name](tmp_path / name) for name in ("MR axial", "DX")}
    for kind in KINDS:
        if kind.source in sources and not kind.review and "fhir" in kind.outputs:
            source = sources[kind.source]
            context = imaging_context(source.study, source.images.evidence)
            bundle = report_bundle(kind.findings(source), context, (), site=kind.site)
            made = [entry["resource"] for entry in as_json(bundle)["entry"]]
            assert "final" not in statuses(made, "DiagnosticReport") | statuses(made, "Observation"), kind.name


@pytest.mark.parametrize("findings", REVIEWABLE.values(), ids=REVIEWABLE)
def test_an_accepted_result_is_final_says_by_whom_and_keeps_its_label_and_disclaimer(findings: Findings) -> None:
    before = written(findings)
    after = reviewed(findings, review(findings, "accepted", comment="As I see it"))
    report, old = one(after, "DiagnosticReport"), one(before, "DiagnosticReport")
    assert statuses(after, "DiagnosticReport") == statuses(after, "Observation") == {"final"}
    assert report["resultsInterpreter"] == [
        {
            "type": "Practitioner",
            "identifier": {"system": "urn:oid:1.2.276.99.7", "value": "R-12"},
            "display": "Dr A. <Radiologist> (R-12)",
        }
    ]
    assert report["conclusion"].startswith("ACCEPTED by Dr A. <Radiologist> (R-12) on 2026-03-04 at 12:20 UTC.")
    assert f"Comment: As I see it. AI result: {findings.algorithm.name}" in report["conclusion"]
    assert "not verified" not in report["conclusion"]
    assert findings.algorithm.disclaimer in report["conclusion"]
    assert "&lt;Radiologist&gt;" in report["text"]["div"]
    assert "presentedForm" not in report
    assert report.get("conclusionCode") == old.get("conclusionCode")
    labelled = [body for body in after if body["resourceType"] in ("DiagnosticReport", "Observation")]
    assert {body["meta"]["security"][0]["code"] for body in labelled} == {"AIAST"}
    changeable = ("DiagnosticReport", "Observation")
    assert [body for body in after[: len(before)] if body["resourceType"] not in changeable] == [
        body for body in before if body["resourceType"] not in changeable
    ]


def test_an_edited_result_is_final_without_what_was_struck() -> None:
    after = reviewed(TWO, review(TWO, "edited", 1))
    report = one(after, "DiagnosticReport")
    assert report["status"] == "final"
    assert [codes(concept) for concept in report["conclusionCode"]] == [["6574001"]]
    assert "Struck by the reviewer: Oedema <T2 & FLAIR>, an artefact <of motion>." in report["conclusion"]
    assert "Found: Necrosis" in report["conclusion"]
    assert "Found: Oedema" not in report["conclusion"]
    groups = {
        codes(body["valueCodeableConcept"])[0]: body
        for body in after
        if body["resourceType"] == "Observation" and "hasMember" in body
    }
    by_id = {body["id"]: body for body in after if body["resourceType"] == "Observation"}
    assert (groups["79654002"]["status"], groups["6574001"]["status"]) == ("entered-in-error", "final")
    for code, status in (("79654002", "entered-in-error"), ("6574001", "final")):
        members = [by_id[each["reference"].split("/")[1]] for each in groups[code]["hasMember"]]
        assert len(members) == 3
        assert {member["status"] for member in members} == {status}


def test_an_edit_that_leaves_no_finding_makes_a_summary_without_findings() -> None:
    after = reviewed(POSITIVE, review(POSITIVE, "edited", 1))
    report = one(after, "DiagnosticReport")
    assert "conclusionCode" not in report
    summary = next(
        body for body in after if body["resourceType"] == "Observation" and codes(body["code"]) == ["111017"]
    )
    assert (codes(summary["valueCodeableConcept"]), summary["status"]) == (["111241"], "final")
    assert "This does not mean that the study is normal" in report["conclusion"]


def test_a_report_is_found_by_who_accepted_it(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'fhir.db'}")
    store = fill(engine)
    store.apply(reviewed_bundle(written(POSITIVE), POSITIVE, review(POSITIVE, "accepted"), site=SITE))
    with served(store) as client:
        for search, count in (
            ("results-interpreter.identifier=urn:oid:1.2.276.99.7|R-12", 1),
            ("results-interpreter:identifier=R-12", 1),
            ("results-interpreter:missing=true", 2),
            ("results-interpreter.identifier=R-13", 0),
        ):
            assert client.get(f"/fhir/DiagnosticReport?{search}").json()["total"] == count, search
    engine.dispose()


def test_a_struck_class_is_withdrawn_alone() -> None:
    findings = classified()
    (number,) = [item.number for item in findings.classes if item.found][:1]
    after = reviewed(findings, review(findings, "edited", number))
    observations = [body for body in after if body["resourceType"] == "Observation"]
    assert [body["status"] for body in observations].count("entered-in-error") == 1


@pytest.mark.parametrize("findings", REVIEWABLE.values(), ids=REVIEWABLE)
def test_a_rejected_result_is_entered_in_error_and_says_why(findings: Findings) -> None:
    after = reviewed(findings, review(findings, "rejected", reason="The wrong patient"))
    report = one(after, "DiagnosticReport")
    assert statuses(after, "DiagnosticReport") == statuses(after, "Observation") == {"entered-in-error"}
    assert report["conclusion"].startswith("REJECTED by Dr A.")
    assert "Do not use. Reason: The wrong patient." in report["conclusion"]
    assert not {"conclusionCode", "presentedForm"} & set(report)


@pytest.mark.parametrize(
    ("verdict", "struck", "activity"),
    [("accepted", (), "UPDATE"), ("edited", (1,), "UPDATE"), ("rejected", (), "NULLIFY")],
)
def test_the_provenance_of_a_review_names_who_when_why_and_what(
    verdict: Verdict, struck: tuple[int, ...], activity: str
) -> None:
    after = reviewed(TWO, review(TWO, verdict, *struck, reason="For a reason"))
    (made, verified) = [body for body in after if body["resourceType"] == "Provenance"]
    assert made == next(body for body in written(TWO) if body["resourceType"] == "Provenance")
    assert codes(verified["activity"]) == [activity]
    assert verified["occurredDateTime"] == verified["recorded"] == "2026-03-04T12:20:30Z"
    assert verified["reason"][0]["text"] == "For a reason"
    assert codes(verified["agent"][0]["type"]) == ["verifier"]
    assert verified["agent"][0]["who"]["identifier"]["value"] == "R-12"
    observations = [body for body in after if body["resourceType"] == "Observation"]
    assert len(verified["target"]) == 1 + len(observations)
    assert verified["meta"]["tag"] == [{"system": RUN_SYSTEM, "code": "run-positive/review/1"}]


@pytest.mark.parametrize("verdict", ["accepted", "rejected"])
def test_a_site_may_keep_final_for_the_radiologists_own_report(verdict: Verdict) -> None:
    site = replace(SITE, reviewed_status="unchanged")
    after = reviewed(POSITIVE, review(POSITIVE, verdict, reason="why"), site)
    found = statuses(after, "DiagnosticReport"), statuses(after, "Observation")
    wanted = ({"partial"}, {"preliminary"}) if verdict == "accepted" else ({"entered-in-error"}, {"entered-in-error"})
    assert found == wanted
    assert one(after, "DiagnosticReport")["resultsInterpreter"]


@pytest.mark.parametrize(
    ("findings", "verdict", "struck", "reason", "said"),
    [
        (FAILED, "accepted", (), "", "no result that could be reviewed"),
        (REFUSED, "rejected", (), "why", "no result that could be reviewed"),
        (POSITIVE, "rejected", (), " ", "needs a reason"),
        (POSITIVE, "edited", (), "", "strikes one finding at least"),
        (POSITIVE, "accepted", (Struck(1, "x"),), "", "struck by an edit"),
        (POSITIVE, "edited", (Struck(7, "x"),), "", "there are 1, 2"),
        (POSITIVE, "edited", (Struck(1, "x"), Struck(1, "y")), "", "struck once"),
        (POSITIVE, "edited", (Struck(1, " "),), "", "needs a reason"),
        (POSITIVE, "edited", (Struck(1, "x"), Struck(2, "y")), "", "reject it"),
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused_with_why(
    findings: Findings, verdict: Verdict, struck: tuple[Struck, ...], reason: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        check_review(verdict, reason=reason, struck=struck, findings=findings)


@pytest.mark.parametrize("findings", SAMPLES.values(), ids=SAMPLES)
def test_findings_are_kept_whole_but_for_their_pictures(findings: Findings, tmp_path: Path) -> None:
    keep_findings(findings, tmp_path)
    kept = kept_findings(tmp_path)
    bare = replace(findings, label_map=None, heatmaps=(), probabilities=None)
    assert kept == bare
    assert as_json(report_bundle(kept, STUDY, OBJECTS, site=SITE)) == as_json(
        report_bundle(bare, STUDY, OBJECTS, site=SITE)
    )


def test_findings_that_are_not_there_or_damaged_are_no_review(tmp_path: Path) -> None:
    with pytest.raises(EncodingError, match="kept nothing to review"):
        kept_findings(tmp_path)
    (tmp_path / "findings.json").write_text("{")
    with pytest.raises(EncodingError, match="cannot be read"):
        kept_findings(tmp_path)


def test_every_review_of_every_kind_is_valid_r4(r4: R4Checker) -> None:
    documents: dict[str, Json] = {}
    for name, findings in REVIEWABLE.items():
        for verdict, struck in (("accepted", ()), ("edited", (1,)), ("rejected", ())):
            given = review(findings, verdict, *struck, reason="why", comment="so")  # type: ignore[arg-type]
            documents[f"{name} {verdict}"] = as_json(reviewed_bundle(written(findings), findings, given, site=SITE))
    assert r4.errors(documents) == []


@pytest.fixture(params=["own", "medplum"])
def ehr(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, httpx.Client]]:
    """An empty server of each kind, and a client of it."""
    with httpx.Client(timeout=20, trust_env=False) as client:
        if request.param == "medplum":
            with medplum_receiver() as url:
                yield url, client
        else:
            with own_receiver(tmp_path) as own:
                yield own.url, client


def test_a_review_changes_what_the_ehr_has_and_is_shown_before_it_counts_as_delivered(
    ehr: tuple[str, httpx.Client],
) -> None:
    url, client = ehr
    server = FhirDestination(url, client)
    report = report_bundle(TWO, STUDY, OBJECTS, site=SITE)
    edited = reviewed_bundle(written(TWO), TWO, review(TWO, "edited", 1), site=SITE)
    with pytest.raises(PeerUnreachable, match="does not find"):
        server.confirm(edited, change=True)
    server.push(report)
    with pytest.raises(PeerUnreachable, match="does not show the review"):
        server.confirm(edited, change=True)
    for _ in range(2):
        server.push(edited, change=True)
        assert server.confirm(edited, change=True) == server.confirm(report)
    server.push(report)  # a late copy of the first request changes nothing any more
    assert server.confirm(edited, change=True)

    def count(search: str) -> int:
        return len(client.get(f"{url}/{search}").json().get("entry", []))

    assert count("DiagnosticReport?status=final") == 1
    assert count("Observation?status=entered-in-error&_count=100") == 4
    assert count("Observation?status=preliminary") == 0
    assert count("Patient") == count("ImagingStudy") == 1
    assert count("Provenance") == 2
    rejected = reviewed_bundle(written(TWO), TWO, review(TWO, "rejected", reason="no"), site=SITE)
    server.push(rejected, change=True)
    assert server.confirm(rejected, change=True)
    assert count("DiagnosticReport?status=entered-in-error") == 1
    assert count("Observation?status=final") == 0
