"""What the FHIR resources of a classifier's run say, and that they say what its Structured Report says."""

import json
from dataclasses import replace

import pytest
from fhir.resources.R4B.bundle import Bundle
from pydicom.dataset import Dataset

from ainode_dicom_sr.class_group import agreement_group, class_group
from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.site import Site
from ainode_fhir.study import ResultObject
from ainode_models.findings import ClassFinding, Decision, Findings
from peers.classified import (
    CLASSES,
    COVID,
    NORMAL,
    OPACITY,
    PNEUMONIA,
    REMARK,
    classified,
    not_classified,
    nothing_classified,
    radiograph_header,
)
from peers.fhir_samples import OBJECTS, STUDY, codes_of, resources

PICTURE = ResultObject("SC", "1.2.840.10008.5.1.4.1.1.7", "2.25.91", "2.25.92")


def encode(findings: Findings) -> Bundle:
    return report_bundle(findings, STUDY, (PICTURE, OBJECTS[1]), site=Site())


def observed(bundle: Bundle) -> dict[str, Json]:
    """Each Observation by its code."""
    return {codes_of(body["code"])[0]: body for body in resources(bundle, "Observation")}


def shares(observation: Json) -> dict[str, float]:
    """Percent of each component, by its code."""
    parts = observation.get("component", [])
    assert {part["valueQuantity"]["code"] for part in parts} <= {"%"}
    return {codes_of(part["code"])[0]: part["valueQuantity"]["value"] for part in parts}


def test_each_class_is_one_observation_with_its_decision_and_its_probabilities() -> None:
    found = observed(encode(classified()))
    said = {code: codes_of(body["valueCodeableConcept"])[0] for code, body in found.items()}
    assert said == {
        "111017": "111242",
        "75570004": "373573001",
        "112001": "373068000",
        "882784691000119100": "373572006",
    }
    assert shares(found["75570004"]) == {"122157": 71.235, "resnet50": 80.0, "efficientnet_b0": 62.469}
    assert shares(found["111017"]) == {"111012": 71.235, "margin": 46.235, "disagreement": 7.0}
    assert found["75570004"]["bodySite"]["text"] == "Lung"
    assert found["111017"]["note"] == [{"text": REMARK}]
    assert {body["status"] for body in found.values()} == {"preliminary"}
    assert {body["meta"]["security"][0]["code"] for body in found.values()} == {"AIAST"}


def test_the_report_tells_what_is_there_what_is_not_and_what_a_human_must_decide() -> None:
    bundle = encode(classified())
    (body,) = resources(bundle, "DiagnosticReport")
    assert body["status"] == "partial"
    assert [codes_of(item) for item in body["conclusionCode"]] == [["75570004"]]
    assert body["conclusion"] == (
        "AI result, not verified by a physician: chest-xray-demo 1.0.2. "
        "Present according to this algorithm: Viral pneumonia (probability 71 %). "
        "NOT DECIDED, a human must: Lung opacity <any> (probability 25 %). "
        "Not present according to it: COVID-19 (probability 4 %). "
        "Without a lung mask: the whole image was classified. Demonstration. Not for diagnostic use."
    )
    assert "<td>Lung opacity &lt;any&gt;</td><td>not decided, a human must</td><td>25 %</td>" in body["text"]["div"]
    assert len(body["result"]) == len(CLASSES) + 1
    (provenance,) = resources(bundle, "Provenance")
    assert {
        "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:2.25.91"},
        "display": "DICOM Secondary Capture",
    } in (provenance["target"])


def test_where_nothing_is_found_no_code_is_concluded_not_even_that_of_a_class_for_normal_images() -> None:
    nothing = nothing_classified()
    normal = replace(NORMAL, probability=0.999)
    (body,) = resources(encode(replace(nothing, classes=(normal, *nothing.classes))), "DiagnosticReport")
    assert "conclusionCode" not in body
    assert "Normal (probability 99.9 %)" in body["conclusion"]
    assert "This does not mean that the study is normal." in body["conclusion"]
    assert codes_of(observed(encode(nothing))["111017"]["valueCodeableConcept"]) == ["111241"]


def test_a_normal_class_beside_one_that_a_human_must_decide_is_neither_concluded_nor_a_clinical_finding() -> None:
    bundle = encode(classified((OPACITY, NORMAL)))
    (body,) = resources(bundle, "DiagnosticReport")
    assert "conclusionCode" not in body
    assert "NOT DECIDED, a human must: Lung opacity" in body["conclusion"]
    assert codes_of(observed(bundle)["17621005"]["valueCodeableConcept"]) == ["52101004"]
    assert codes_of(observed(bundle)["111017"]["valueCodeableConcept"]) == ["111242"]


def test_a_refused_image_is_cancelled_and_has_no_class() -> None:
    bundle = encode(not_classified())
    (body,) = resources(bundle, "DiagnosticReport")
    (summary,) = resources(bundle, "Observation")
    assert body["status"] == summary["status"] == "cancelled"
    assert "ViewPosition is 'LL'" in summary["dataAbsentReason"]["text"]
    assert not [key for key in summary if key.startswith(("value", "component"))]
    assert "373572006" not in json.dumps(as_json(bundle))


def values_in(group: Dataset) -> list[float]:
    return [
        float(item.MeasuredValueSequence[0].NumericValue) for item in group.ContentSequence if item.ValueType == "NUM"
    ]


NOT_NORMAL = replace(NORMAL, decision=Decision.ABSENT)


@pytest.mark.parametrize(
    "item", [PNEUMONIA, OPACITY, COVID, NORMAL, NOT_NORMAL], ids=lambda item: f"{item.label} {item.decision}"
)
def test_an_observation_and_the_group_of_the_structured_report_say_the_same(item: ClassFinding) -> None:
    findings = classified({each.number: each for each in (*CLASSES, item)}.values())
    found = observed(encode(findings))
    group = class_group(findings, item, radiograph_header(), None)
    body = found[item.type.value]
    assert [entry["value"] for entry in body["identifier"]] == [
        f"urn:oid:{group.ObservationUID}",
        f"urn:oid:{item.tracking_uid}",
    ]
    (decided,) = (
        each.ConceptNameCodeSequence[0].CodeValue
        for each in group.ContentSequence
        if each.ValueType == "CODE"
        and each.ConceptNameCodeSequence[0].CodeValue
        in ("373573001", "373068000", "373572006", "52101004", "272519000")
    )
    assert codes_of(body["valueCodeableConcept"]) == [decided]
    assert list(shares(body).values()) == values_in(group)
    has_finding = any(each.ConceptNameCodeSequence[0].CodeValue == "121071" for each in group.ContentSequence)
    (report,) = resources(encode(findings), "DiagnosticReport")
    assert has_finding is ([item.type.value] in [codes_of(code) for code in report.get("conclusionCode", ())])
    assert findings.agreement
    assert list(shares(found["111017"]).values()) == values_in(
        agreement_group(findings, findings.agreement, radiograph_header())
    )
