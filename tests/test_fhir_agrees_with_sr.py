"""The Observations say what the Structured Report says: same codes, values, units, derivations and UIDs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import Dataset

from ainode_dicom_sr.measurement_group import absent_group, present_group, referenced_segments
from ainode_dicom_sr.report import measurement_report
from ainode_fhir.bundle import report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.site import Site
from ainode_models.comparison import comparison
from peers.content_items import content_below
from peers.dicom_sources import EQUIPMENT, findings, label_map, series
from peers.fhir_samples import MR_IMAGE, NECROSIS, OBJECTS, OEDEMA, POSITIVE, STUDY, codes_of, resources
from peers.prior_samples import PRIOR, with_prior

OBSERVATIONS = resources(report_bundle(POSITIVE, STUDY, OBJECTS, site=Site()), "Observation")


def segmentation() -> Dataset:
    """As much of a SEG as a measurement group refers to."""
    segment, series, ds = Dataset(), Dataset(), Dataset()
    segment.SegmentNumber, segment.TrackingUID = 1, OEDEMA.tracking_uid
    series.SeriesInstanceUID = STUDY.series[0].uid
    ds.SOPClassUID, ds.SOPInstanceUID = OBJECTS[0].sop_class_uid, OBJECTS[0].sop_instance_uid
    ds.SegmentSequence, ds.ReferencedSeriesSequence = [segment], [series]
    return ds


def source() -> Dataset:
    """As much of an image as a group without findings refers to."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = MR_IMAGE, STUDY.series[0].instances[0].uid
    ds.SeriesInstanceUID = STUDY.series[0].uid
    return ds


def by_observation_uid(uid: str, observations: Sequence[Json] = OBSERVATIONS) -> Json:
    (found,) = (body for body in observations if body["identifier"][0]["value"] == f"urn:oid:{uid}")
    return found


def name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def in_report(group: Dataset) -> dict[str, tuple[float, str, str | None]]:
    """Value, unit and derivation of each NUM in a measurement group, by its code."""
    found = {}
    for item in group.ContentSequence:
        if item.ValueType == "NUM":
            measured = item.MeasuredValueSequence[0]
            derivations = [child.ConceptCodeSequence[0].CodeValue for child in item.get("ContentSequence", ())
                           if name(child) == "121401"]  # fmt: skip
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            found[name(item)] = (float(measured.NumericValue), str(unit), derivations[0] if derivations else None)
    return found


def in_fhir(group: Json, observations: Sequence[Json] = OBSERVATIONS) -> dict[str, tuple[float, str, str | None]]:
    members = {member["reference"].split("/")[1] for member in group["hasMember"]}
    found = {}
    for body in observations:
        if body["id"] in members:
            quantity, method = body["valueQuantity"], body.get("method")
            derivation = codes_of(method)[0] if method else None
            found[codes_of(body["code"])[0]] = (quantity["value"], quantity["code"], derivation)
    return found


def test_a_present_segment_has_the_measurements_of_its_group_in_the_report() -> None:
    group = present_group(POSITIVE, OEDEMA, referenced_segments([segmentation()]))
    observation = by_observation_uid(group.ObservationUID)
    assert in_fhir(observation) == in_report(group)
    assert len(in_report(group)) == 3
    items = {name(item): item for item in group.ContentSequence}
    assert codes_of(observation["code"]) == [items["276214006"].ConceptCodeSequence[0].CodeValue]
    assert codes_of(observation["valueCodeableConcept"]) == [items["121071"].ConceptCodeSequence[0].CodeValue]
    assert codes_of(observation["bodySite"]) == [items["363698007"].ConceptCodeSequence[0].CodeValue]
    assert observation["identifier"][1]["value"] == f"urn:oid:{items['112040'].UID}"


def test_an_absent_segment_is_the_same_pair_of_codes_the_other_way_round() -> None:
    group = absent_group(POSITIVE, NECROSIS, [source()])
    observation = by_observation_uid(group.ObservationUID)
    (absent,) = (item for item in group.ContentSequence if name(item) == "373572006")
    assert codes_of(observation["valueCodeableConcept"]) == [name(absent)]
    assert codes_of(observation["code"]) == [absent.ConceptCodeSequence[0].CodeValue]


def test_without_confidence_neither_has_one() -> None:
    unsure = replace(OEDEMA, confidence=None)
    findings = replace(POSITIVE, segments=(unsure,))
    written = resources(report_bundle(findings, STUDY, OBJECTS, site=Site()), "Observation")
    measured = {codes_of(body["code"])[0] for body in written if "valueQuantity" in body}
    assert (
        measured
        == set(in_report(present_group(findings, unsure, referenced_segments([segmentation()]))))
        == {"118565006", "81827009"}
    )


def test_beside_a_prior_both_give_the_change_and_the_volume_that_it_is_inferred_from() -> None:
    run = with_prior(POSITIVE)
    written = resources(report_bundle(run, STUDY, OBJECTS, site=Site()), "Observation")
    shown = segmentation()
    shown.SegmentSequence[0].TrackingUID = run.segments[0].tracking_uid
    groups = [
        present_group(run, run.segments[0], referenced_segments([shown])),
        absent_group(run, run.segments[1], [source()]),
    ]
    for group, change, then in zip(groups, (22.268, -2.0), (12.3, 2.0), strict=True):
        observation = by_observation_uid(group.ObservationUID, written)
        assert in_fhir(observation, written) == in_report(group)
        assert in_report(group)["442714003"] == (change, "mL", None)
        (nested,) = (item.ContentSequence[0] for item in group.ContentSequence if name(item) == "442714003")
        assert (nested.RelationshipType, name(nested)) == ("INFERRED FROM", "118565006")
        members = {member["reference"].split("/")[1] for member in observation["hasMember"]}
        (difference,) = (body for body in written if body["id"] in members and codes_of(body["code"]) == ["442714003"])
        (component,) = difference["component"]
        assert codes_of(component["code"]) == [name(nested)]
        assert component["code"]["text"] == f"Volume on {PRIOR.studied_on}"
        assert component["valueQuantity"]["value"] == then == float(nested.MeasuredValueSequence[0].NumericValue)
        earlier = with_prior(replace(POSITIVE, run_id=PRIOR.run_id))
        (summary, *_) = resources(report_bundle(earlier, STUDY, OBJECTS, site=Site()), "Observation")
        assert difference["derivedFrom"][1]["identifier"] == summary["identifier"][0]
    (report,) = resources(report_bundle(run, STUDY, OBJECTS, site=Site()), "DiagnosticReport")
    assert comparison(run) in report["conclusion"]


@pytest.mark.parametrize(
    "lacking", [(), ("probability maps, for the memory did not suffice",)], ids=["whole", "partial"]
)
@pytest.mark.parametrize("found", [True, False], ids=["found", "nothing"])
def test_both_end_with_one_code_whether_all_that_was_asked_for_is_there_or_not(
    found: bool, lacking: tuple[str, ...]
) -> None:
    labels = label_map() if found else np.zeros_like(label_map())
    run = replace(findings(labels), lacking=lacking)
    report = measurement_report(run, series(), EQUIPMENT, reference_sources=series())
    (ending,) = (item for item in content_below(report) if name(item) == "111017")
    (summary, *_) = resources(report_bundle(run, STUDY, OBJECTS, site=Site()), "Observation")
    code = ending.ConceptCodeSequence[0]
    assert summary["valueCodeableConcept"]["coding"][0]["code"] == code.CodeValue
    assert summary["valueCodeableConcept"]["coding"][0]["display"] == code.CodeMeaning
    assert (report.CompletionFlag == "PARTIAL") is bool(lacking) is (code.CodeValue in ("111243", "111244"))
