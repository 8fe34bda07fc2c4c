"""What the resources of a run say when it found something, found nothing, or failed."""

import json
from dataclasses import replace
from datetime import datetime

import pytest
from fhir.resources.R4B.bundle import Bundle

from ainode_fhir.bundle import WITHDRAWN, as_json, conditional_creates, report_bundle
from ainode_fhir.datatypes import RUN_SYSTEM, Json
from ainode_fhir.observation_body import observation_uid
from ainode_fhir.site import Site
from ainode_fhir.supersede import superseded, superseded_bundle
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings
from peers.fhir_samples import (
    FAILED,
    NECROSIS,
    NEGATIVE,
    OBJECTS,
    OEDEMA,
    POSITIVE,
    REFUSED,
    STARTED,
    STUDY,
    codes_of,
    resources,
)

SITE = Site(organization="Hospital of the Test", node_version="0.1.0")
ABSENT = "373572006"


def encode(findings: Findings) -> Bundle:
    return report_bundle(findings, STUDY, () if findings is FAILED else OBJECTS, site=SITE)


def report(bundle: Bundle) -> Json:
    (body,) = resources(bundle, "DiagnosticReport")
    return body


def test_a_finding_is_reported_as_partial_and_unverified_ai_output_with_its_study_order_and_objects() -> None:
    body = report(encode(POSITIVE))
    assert body["status"] == "partial"
    assert [label["code"] for label in body["meta"]["security"]] == ["AIAST"]
    assert [item["value"] for item in body["identifier"]] == ["run-positive", "urn:oid:2.25.51"]
    assert body["identifier"][0]["system"] == RUN_SYSTEM == "urn:oid:2.25.298309634930721569376852499277347408497"
    assert [code for item in body["category"] for code in codes_of(item)] == ["LP29684-5", "RAD"]
    assert body["effectiveDateTime"] == "2026-03-04T09:00:00Z"
    assert body["basedOn"][0]["identifier"]["value"] == "ACC-9"
    assert body["imagingStudy"][0]["identifier"]["value"] == "urn:oid:1.2.826.0.1.77"
    assert body["performer"][0]["reference"].startswith("Organization/")
    assert [codes_of(item) for item in body["conclusionCode"]] == [["79654002"]]
    assert body["conclusion"] == (
        "AI result, not verified by a physician: brain-tumour-demo 1.0.2. "
        "Found: Oedema <T2 & FLAIR> (volume 34.6 mL, longest diameter 51.2 mm, confidence 91 %). "
        "Looked for and not found: Necrosis. Not for diagnostic use."
    )
    assert "Oedema &lt;T2 &amp; FLAIR&gt;" in body["text"]["div"]
    assert "<T2" not in body["text"]["div"]


@pytest.mark.parametrize(("findings", "code"), [(POSITIVE, "111244"), (NEGATIVE, "111243")], ids=["found", "nothing"])
def test_a_partial_result_says_what_lacks_in_words_and_in_the_code_of_its_summary(
    findings: Findings, code: str
) -> None:
    run = replace(findings, lacking=("probability maps, for the memory did not suffice",))
    said = "PARTIAL RESULT: asked for, but not made: probability maps, for the memory did not suffice."
    body, (summary, *_) = report(encode(run)), resources(encode(run), "Observation")
    assert (body["status"], summary["status"]) == ("partial", "preliminary")
    assert said in body["conclusion"]
    assert said in body["text"]["div"]
    assert codes_of(summary["valueCodeableConcept"]) == [code]
    assert summary["note"][0]["text"] == said
    whole = report(encode(findings))
    assert "PARTIAL" not in whole["conclusion"]
    assert body["conclusionCode"] == whole["conclusionCode"] if findings is POSITIVE else "conclusionCode" not in body


def test_a_segment_becomes_a_group_with_its_measurements_in_ucum_and_the_uids_of_the_structured_report() -> None:
    bundle = encode(POSITIVE)
    found = {codes_of(body["code"])[0]: body for body in resources(bundle, "Observation")}
    group = found["49755003"]
    assert codes_of(group["valueCodeableConcept"]) == ["79654002"]
    assert group["bodySite"]["text"] == "Brain"
    assert [item["value"] for item in group["identifier"]] == [
        f"urn:oid:{observation_uid('run-positive', OEDEMA)}",
        "urn:oid:2.25.61",
    ]
    measured = {code: (body["valueQuantity"]["value"], body["valueQuantity"]["code"]) for code, body in found.items()
                if "valueQuantity" in body}  # fmt: skip
    assert measured == {"118565006": (34.568, "mL"), "81827009": (51.235, "mm"), "111012": (91.234, "%")}
    members = {f"Observation/{found[code]['id']}" for code in measured}
    assert {item["reference"] for item in group["hasMember"]} == members
    assert {body["status"] for body in found.values()} == {"preliminary"}
    assert {body["meta"]["security"][0]["code"] for body in found.values()} == {"AIAST"}


def test_what_was_not_found_is_never_the_value_of_an_observation() -> None:
    for findings, findings_that_are_there in ((POSITIVE, {"79654002"}), (NEGATIVE, set())):
        observations = resources(encode(findings), "Observation")
        absent = [body for body in observations if ABSENT in codes_of(body.get("valueCodeableConcept", {"coding": []}))]
        assert [codes_of(body["code"])[0] for body in absent] == [
            segment.type.value for segment in findings.segments if not segment.voxels
        ]
        values = {code for body in observations for code in codes_of(body.get("valueCodeableConcept", {"coding": []}))}
        asked_for = {segment.type.value for segment in findings.segments}
        assert values & asked_for == findings_that_are_there


def test_a_negative_run_is_unverified_too_and_does_not_call_the_study_normal() -> None:
    bundle = encode(NEGATIVE)
    body = report(bundle)
    assert body["status"] == "partial"
    assert "conclusionCode" not in body
    assert "Nothing was found of what this algorithm looks for." in body["conclusion"]
    assert "This does not mean that the study is normal." in body["conclusion"]
    assert "Not for diagnostic use." in body["conclusion"]
    assert codes_of(resources(bundle, "Observation")[0]["valueCodeableConcept"]) == ["111241"]


def test_a_failed_run_is_cancelled_with_its_reason_and_cannot_be_read_as_negative() -> None:
    bundle = encode(FAILED)
    body = report(bundle)
    (summary,) = resources(bundle, "Observation")
    assert body["status"] == summary["status"] == "cancelled"
    assert codes_of(summary["dataAbsentReason"]) == ["error"]
    assert summary["dataAbsentReason"]["text"] == "the slices do not form one volume."
    assert not [key for key in summary if key.startswith("value")]
    assert "FAILED AND SAYS NOTHING ABOUT THE PATIENT" in body["conclusion"]
    assert "This is not a negative result." in body["conclusion"]
    assert ABSENT not in json.dumps(as_json(bundle))
    assert "not found" not in json.dumps(as_json(bundle)).lower()


def test_refused_images_are_told_from_a_failure_in_code_and_in_words_and_from_a_negative() -> None:
    bundle = report_bundle(REFUSED, STUDY, (), site=SITE)
    body, (summary,) = report(bundle), resources(bundle, "Observation")
    assert body["status"] == summary["status"] == "cancelled"
    assert codes_of(summary["dataAbsentReason"]) == ["not-performed"]
    assert "THE IMAGES WERE REFUSED AND NOT ANALYSED" in body["conclusion"]
    assert "Reason: the series is a localizer. This is not a negative result." in body["conclusion"]
    assert ABSENT not in json.dumps(as_json(bundle))
    assert "failed" not in json.dumps(as_json(bundle)).lower().replace("run-failed", "")


def test_every_result_names_the_model_its_weights_and_the_node_that_ran_it() -> None:
    bundle = encode(POSITIVE)
    model = next(body for body in resources(bundle, "Device") if "parent" in body)
    node = next(body for body in resources(bundle, "Device") if "parent" not in body)
    (provenance,) = resources(bundle, "Provenance")
    assert "Artificial-Intelligence" in codes_of(model["type"])
    assert model["identifier"] == [{"system": "urn:dicom:uid", "value": "urn:oid:2.25.310"}]
    assert [version["value"] for version in model["version"]] == ["1.0.2", "ab" * 32]
    assert model["parent"]["reference"] == f"Device/{node['id']}"
    assert [agent["who"]["reference"] for agent in provenance["agent"]] == [
        f"Device/{model['id']}",
        f"Device/{node['id']}",
    ]
    written = {f"{body['resourceType']}/{body['id']}" for kind in ("DiagnosticReport", "Observation")
               for body in resources(bundle, kind)}  # fmt: skip
    assert {item["reference"] for item in provenance["target"] if "reference" in item} == written
    assert {item["identifier"]["value"] for item in provenance["target"] if "reference" not in item} == {
        "urn:oid:2.25.41",
        "urn:oid:2.25.51",
    }


@pytest.mark.parametrize("findings", [POSITIVE, NEGATIVE, FAILED], ids=lambda findings: findings.run_id)
def test_encoding_twice_gives_equal_json_and_every_reference_resolves(findings: Findings) -> None:
    bundle = as_json(encode(findings))
    assert bundle == as_json(encode(findings))
    here = {entry["request"]["url"] for entry in bundle["entry"]}
    text = json.dumps(bundle)
    assert {part.split('"')[0] for part in text.split('"reference": "')[1:]} <= here


def test_a_site_may_call_its_unread_results_preliminary_but_a_failure_stays_cancelled() -> None:
    site = replace(SITE, report_status="preliminary")
    assert report(report_bundle(POSITIVE, STUDY, OBJECTS, site=site))["status"] == "preliminary"
    assert report(report_bundle(FAILED, STUDY, (), site=site))["status"] == "cancelled"


def test_without_a_study_time_the_report_takes_effect_when_the_analysis_started() -> None:
    body = report(report_bundle(POSITIVE, replace(STUDY, started=None), OBJECTS, site=SITE))
    assert body["effectiveDateTime"] == "2026-03-04T10:20:30Z"


def test_a_time_without_zone_is_refused_as_fhir_has_no_such_time() -> None:
    naive = datetime(2026, 3, 4, 9, 0)  # noqa: DTZ001 - the fault under test
    with pytest.raises(EncodingError, match="has no zone"):
        report_bundle(POSITIVE, replace(STUDY, started=naive), OBJECTS, site=SITE)


def test_studies_without_patient_id_are_never_put_on_one_patient() -> None:
    nobody = replace(STUDY, patient_id=None)
    somebody_else = replace(nobody, study_uid="1.2.826.0.1.78")
    ids = [resources(report_bundle(POSITIVE, study, OBJECTS, site=SITE), "Patient")[0]["id"]
           for study in (nobody, somebody_else)]  # fmt: skip
    assert ids[0] != ids[1]


def test_patients_of_two_issuers_with_the_same_number_stay_apart() -> None:
    issuers = (STUDY, replace(STUDY, patient_issuer="Other clinic"), replace(STUDY, patient_issuer=None))
    assert len({resources(report_bundle(POSITIVE, study, (), site=SITE), "Patient")[0]["id"] for study in issuers}) == 3


def test_a_later_run_points_back_and_withdraws_the_earlier_report_but_not_its_patient() -> None:
    later = report_bundle(replace(POSITIVE, run_id="run-2"), STUDY, OBJECTS, site=SITE, replaces="run-positive")
    (extension,) = report(later)["extension"]
    assert extension["url"].endswith("/diagnosticReport-replaces")
    assert extension["valueReference"]["identifier"]["value"] == "run-positive"
    first = report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE, page=b"%PDF-1.7")
    earlier = [entry["resource"] for entry in as_json(first)["entry"]]
    assert [form["contentType"] for form in report(first)["presentedForm"]] == ["application/pdf"]
    withdrawn = superseded_bundle(earlier, base_url=SITE.base_url)
    body = report(withdrawn)
    assert body["status"] == WITHDRAWN
    assert body["conclusion"].startswith("SUPERSEDED")
    assert "SUPERSEDED" in body["text"]["div"]
    assert "conclusionCode" not in body
    assert "presentedForm" not in body, "the page does not say that it was replaced"
    assert {item["status"] for item in resources(withdrawn, "Observation")} == {WITHDRAWN}
    assert resources(withdrawn, "Patient") == resources(encode(POSITIVE), "Patient")
    assert superseded(body) == body


def test_what_is_pushed_carries_no_ids_of_ours_and_creates_nothing_that_is_there() -> None:
    pushed = conditional_creates(encode(POSITIVE))
    assert all("id" not in entry["resource"] for entry in pushed["entry"])
    assert all(entry["request"]["method"] == "POST" and entry["request"]["ifNoneExist"] for entry in pushed["entry"])
    keys = [(entry["request"]["url"], entry["request"]["ifNoneExist"]) for entry in pushed["entry"]]
    assert len(set(keys)) == len(keys)
    urns = {entry["fullUrl"] for entry in pushed["entry"]}
    text = json.dumps(pushed)
    assert {part.split('"')[0] for part in text.split('"reference": "')[1:]} <= urns


def test_a_patient_without_identifier_system_is_matched_only_where_there_is_none_either() -> None:
    study = replace(STUDY, patient_issuer=None)
    pushed = conditional_creates(report_bundle(POSITIVE, study, OBJECTS, site=SITE))
    (patient,) = (entry for entry in pushed["entry"] if entry["request"]["url"] == "Patient")
    assert patient["request"]["ifNoneExist"] == "identifier=%7CP-4711"


def test_the_time_of_issue_is_the_callers_and_else_the_start_of_the_analysis() -> None:
    assert report(encode(POSITIVE))["issued"] == "2026-03-04T10:20:30Z"
    later = STARTED.replace(hour=11)
    assert report(report_bundle(POSITIVE, STUDY, (), site=SITE, issued=later))["issued"] == "2026-03-04T11:20:30Z"
    assert NECROSIS.label in report(encode(POSITIVE))["conclusion"]


def test_a_study_without_accession_number_refers_to_no_order() -> None:
    bundle = report_bundle(POSITIVE, replace(STUDY, accession_number=None), OBJECTS, site=SITE)
    assert "basedOn" not in json.dumps(as_json(bundle))
    assert len(resources(bundle, "ImagingStudy")[0]["identifier"]) == 1


def test_what_does_not_fit_into_r4_is_refused_with_the_element_and_without_patient_data() -> None:
    bad = replace(STUDY, series=(replace(STUDY.series[0], uid="not/an/id"),))
    with pytest.raises(EncodingError, match=r"run run-positive does not make valid FHIR R4: series\.0\.uid") as caught:
        report_bundle(POSITIVE, bad, OBJECTS, site=SITE)
    assert "P-4711" not in str(caught.value)
