"""The Observations say what the Structured Report says: same codes, values, units, derivations and UIDs."""

from dataclasses import replace

from pydicom.dataset import Dataset

from ainode_dicom_sr.measurement_group import absent_group, present_group
from ainode_fhir.bundle import report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.site import Site
from peers.fhir_samples import MR_IMAGE, NECROSIS, OBJECTS, OEDEMA, POSITIVE, STUDY, codes_of, resources

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


def by_observation_uid(uid: str) -> Json:
    (found,) = (body for body in OBSERVATIONS if body["identifier"][0]["value"] == f"urn:oid:{uid}")
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


def in_fhir(group: Json) -> dict[str, tuple[float, str, str | None]]:
    members = {member["reference"].split("/")[1] for member in group["hasMember"]}
    found = {}
    for body in OBSERVATIONS:
        if body["id"] in members:
            quantity, method = body["valueQuantity"], body.get("method")
            derivation = codes_of(method)[0] if method else None
            found[codes_of(body["code"])[0]] = (quantity["value"], quantity["code"], derivation)
    return found


def test_a_present_segment_has_the_measurements_of_its_group_in_the_report() -> None:
    group = present_group(POSITIVE, OEDEMA, segmentation())
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
    assert measured == set(in_report(present_group(findings, unsure, segmentation()))) == {"118565006", "81827009"}
