"""System scopes: what is understood, what a client is granted of what it asks for, and what they hold."""

import pytest

from ainode_fhir.smart.interaction import Interaction, interaction_of, other_types, patient_of
from ainode_fhir.smart.scope import Scopes, checked_scopes
from ainode_models.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("system/Patient.rs", "system/Patient.rs"),
        ("system/Patient.read", "system/Patient.read"),
        ("system/Patient.cruds", "system/Patient.rs"),
        ("system/Patient.*", "system/Patient.rs"),
        ("system/*.s", "system/*.s"),
        ("system/Patient.write", ""),
        ("system/Patient.sr", ""),
        ("system/Patient.", ""),
        ("system/Patient.rs?name=x", ""),
        ("patient/Patient.rs user/*.rs launch openid", ""),
    ],
)
def test_scopes_of_both_versions_are_understood_and_those_without_use_left_out(text: str, understood: str) -> None:
    assert str(Scopes.parse(text)) == understood


@pytest.mark.parametrize(
    ("wanted", "allowed", "granted"),
    [
        ("system/*.rs", "system/*.rs", "system/*.rs"),
        ("system/Patient.read", "system/*.rs", "system/Patient.read"),
        ("system/Patient.rs", "system/*.r", "system/Patient.r"),
        ("system/*.r", "system/Patient.rs system/Device.s", "system/Patient.r"),
        ("system/*.rs", "system/Patient.rs system/AuditEvent.rs", "system/Patient.rs"),
        ("system/AuditEvent.rs", "system/*.rs", ""),
        ("system/*.rs system/AuditEvent.s", "system/*.rs system/AuditEvent.rs", "system/*.rs system/AuditEvent.s"),
        ("system/Device.rs system/*.rs", "system/Device.rs", "system/Device.rs"),
    ],
)
def test_a_client_is_granted_what_it_wants_as_far_as_it_may(wanted: str, allowed: str, granted: str) -> None:
    assert str(Scopes.parse(wanted).granted(Scopes.parse(allowed))) == granted


def test_a_star_holds_every_type_but_the_record_of_access() -> None:
    star = Scopes.parse("system/*.rs")
    assert [star.allows(kind, "s") for kind in ("Patient", "Basic", "*", "AuditEvent")] == [True, True, True, False]
    assert not Scopes.parse("system/Patient.rs").allows("*", "s")


@pytest.mark.parametrize("text", ["", "system/Patient.write", "system/*.rs patient/*.read", "system/*.rs?x=1"])
def test_scopes_that_somebody_writes_for_a_client_must_all_be_understood(text: str) -> None:
    with pytest.raises(ConfigError):
        checked_scopes(text)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/Patient", ("search-type", "Patient", "s", "")),
        ("POST", "/Patient/_search", ("search-type", "Patient", "s", "")),
        ("HEAD", "/Patient/1", ("read", "Patient", "r", "1")),
        ("GET", "/Patient/1/_history", ("history-instance", "Patient", "r", "1")),
        ("GET", "/Patient/1/_history/2", ("vread", "Patient", "r", "1")),
        ("GET", "/Patient/_history", ("history-type", "Patient", "s", "")),
        ("GET", "/_history", ("history-system", "*", "s", "")),
        ("POST", "/_search", ("search-system", "*", "s", "")),
        ("GET", "/", ("search-system", "*", "s", "")),
        ("GET", "/Patient/$export", ("search-system", "*", "s", "")),
        ("GET", "/Patient/1/Observation", ("search-system", "*", "s", "")),
    ],
)
def test_a_request_is_told_by_method_and_path(method: str, path: str, expected: tuple[str, ...]) -> None:
    assert interaction_of(method, path) == Interaction(*expected)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_whatever_would_write_is_told_as_nothing_that_is_done(method: str) -> None:
    assert interaction_of(method, "/Patient/1") is None


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("patient.identifier", []),
        ("subject:Device.type", ["Device"]),
        ("imagingStudy.modality", ["ImagingStudy"]),
        ("result.device.type", ["*"]),
        ("_has:Observation:subject:code", ["Observation"]),
        ("_has:Observation:subject:_has:Provenance:target:agent", ["Observation", "Provenance"]),
        ("status", []),
    ],
)
def test_a_search_needs_the_types_that_it_looks_into(name: str, types: list[str]) -> None:
    assert list(other_types("DiagnosticReport", [(name, "x")])) == types


@pytest.mark.parametrize(
    ("pairs", "patient"),
    [
        ([("patient", "p1")], "Patient/p1"),
        ([("subject", "https://node.example/fhir/Patient/p1"), ("patient", "p1")], "Patient/p1"),
        ([("patient", "p1,p2")], ""),
        ([("patient", "p1"), ("subject", "p2")], ""),
        ([("subject", "Device/d1")], ""),
        ([("patient:missing", "true")], ""),
        ([("patient.identifier", "4711")], ""),
    ],
)
def test_the_patient_of_a_search_is_known_when_it_names_one(pairs: list[tuple[str, str]], patient: str) -> None:
    assert patient_of("Observation", "", pairs) == patient
