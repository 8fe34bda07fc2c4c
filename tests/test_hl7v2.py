"""Results as HL7 v2 messages: read back by hl7apy against the structures of 2.5.1, and taken by a real MLLP server."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from ainode import peers
from ainode.deliver.destination import Destination, Result
from ainode.deliver.outbox import Outbox, RetryPolicy
from ainode.doctor.finding import Result as Verdict
from ainode.doctor.others import check_destinations
from ainode.journal.database import open_database
from ainode.journal.deliveries import DeliveryJournal
from ainode.journal.runs import ResultRow, RunJournal, RunSpec
from ainode.settings import Destination as DestinationSettings
from ainode.settings import Settings, load_settings
from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.hl7v2.oru import Parties, messages
from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext
from ainode_fhir.supersede import superseded, superseded_bundle
from ainode_models.errors import PeerError, PeerRefused, PeerUnreachable, SettingsError
from ainode_models.findings import Findings
from peers.certificates import Authority
from peers.classified import classified
from peers.fhir_samples import FAILED, NEGATIVE, OBJECTS, POSITIVE, REFUSED, STUDY
from peers.mllp_receiver import MllpReceiver, mllp_receiver
from peers.orthanc import free_port

PARTIES = Parties("AINODE", "NODE", "EHR", "HOSPITAL")


def resources(findings: Findings, study: ImagingContext = STUDY, site: Site | None = None) -> list[Json]:
    bundle = report_bundle(findings, study, OBJECTS, site=site or Site())
    return [entry["resource"] for entry in as_json(bundle)["entry"]]


def message(found: list[Json]) -> hl7.Message:
    """The one message, after hl7apy found it to be an ORU_R01 of 2.5.1."""
    ((_, text),) = messages(found, PARTIES)
    assert parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True).validate()
    return hl7.parse(text)


def table(read: hl7.Message) -> list[tuple[str, str, str, str]]:
    """Code, value, unit and status of each OBX."""
    rows = [[str(row[number]) if len(row) > number else "" for number in (3, 5, 6, 11)] for row in read.segments("OBX")]
    return [(code.split("^")[0], value.split("^")[0], unit.split("^")[0], status) for code, value, unit, status in rows]


STUDY_ROW = ("113014", "1.2.826.0.1.77", "")


def test_a_finding_has_its_code_and_measurements_and_nothing_is_final_or_abnormal() -> None:
    read = message(resources(POSITIVE))
    assert table(read) == [
        (*STUDY_ROW, "R"),
        ("111017", "111242", "", "R"),
        ("49755003", "79654002", "", "R"),
        ("118565006", "34.568", "mL", "R"),
        ("81827009", "51.235", "mm", "R"),
        ("111012", "91.234", "%", "R"),
        ("6574001", "373572006", "", "R"),
    ]
    assert {str(row[8]) for row in read.segments("OBX")} == {""}
    order = read.segment("OBR")
    assert [str(order[number]) for number in (18, 24, 25)] == ["ACC-9", "RAD", "R"]
    assert str(order[3]) == str(read.segment("ORC")[3]) == "run-positive^AINODE"
    assert "Not for diagnostic use" in str(read.segment("NTE")[3])


def test_a_site_that_says_preliminary_says_so_here_too_and_of_a_failure_it_still_says_that_there_is_no_result() -> None:
    preliminary = Site(report_status="preliminary")
    read = message(resources(POSITIVE, site=preliminary))
    assert str(read.segment("OBR")[25]) == "P"
    assert {status for *_, status in table(read)} == {"P"}
    failed = message(resources(FAILED, site=preliminary))
    assert {status for *_, status in table(failed)} == {"X"}


def test_what_was_not_found_is_absent_and_never_a_value() -> None:
    rows = table(message(resources(NEGATIVE)))[1:]
    assert rows == [
        ("111017", "111241", "", "R"),
        ("79654002", "373572006", "", "R"),
        ("6574001", "373572006", "", "R"),
    ]


@pytest.mark.parametrize("findings", [FAILED, REFUSED])
def test_a_failed_or_refused_analysis_has_its_reason_and_no_result(findings: Findings) -> None:
    read = message(resources(findings))
    assert str(read.segment("OBR")[25]) == "X"
    assert table(read) == [(*STUDY_ROW, "X"), ("111017", f"{findings.failure}.", "", "X")]
    assert "This is not a negative result" in str(read.segment("NTE")[3])


def test_a_superseded_result_is_withdrawn_without_values_under_the_same_order() -> None:
    read = message([superseded(body) for body in resources(POSITIVE)])
    assert str(read.segment("OBR")[25]) == "C"
    assert str(read.segment("OBR")[3]) == "run-positive^AINODE"
    assert {status for *_, status in table(read)} == {"W"}
    assert {value for _, value, _, _ in table(read)[1:]} == {""}
    assert str(read.segment("NTE")[3]).startswith("SUPERSEDED")


def test_a_class_has_its_probability_and_what_has_no_code_elsewhere_is_named_as_ours() -> None:
    read = message(resources(classified()))
    rows = {row[0]: row[1:] for row in table(read)}
    assert rows["122157"][1:] == ("%", "R")
    assert rows["75570004"][0] in ("373573001", "373572006", "373068000")
    systems = {str(row[3]).split("^")[2] for row in read.segments("OBX")}
    assert systems == {"DCM", "SCT", "99AINODE"}


def test_text_of_any_kind_comes_back_as_it_was() -> None:
    odd = "Müller^~|\\&\r\nOBX|1|ST|evil\x1c\r\x0b李"
    read = message(resources(POSITIVE, replace(STUDY, patient_name=odd, patient_id="P|^1")))
    name = str(read.segment("PID")[5]).split("^")[0]
    assert read.unescape(name) == re.sub("[\0-\x1f]", " ", odd)
    assert read.unescape(str(read.segment("PID")[3]).split("^")[0]) == "P|^1"
    assert len(read.segments("OBX")) == 7


def test_the_control_id_is_that_of_the_report_and_its_state() -> None:
    found = resources(POSITIVE)
    sets = [found, found, [superseded(body) for body in found], resources(NEGATIVE)]
    ids = [next(messages(each, PARTIES))[0] for each in sets]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(len(each) <= 20 for each in ids)


@pytest.fixture
def receiver() -> Iterator[MllpReceiver]:
    with mllp_receiver() as receiver:
        yield receiver


def destination(port: int, **more: object) -> Destination:
    fields = {"name": "ris", "kind": "hl7v2", "host": "127.0.0.1", "port": port, "timeout": 20.0, **more}
    return peers.destination(DestinationSettings(**fields), Settings())  # type: ignore[arg-type]


@pytest.fixture
def result(tmp_path: Path) -> Result:
    """A report behind the withdrawal of the one before."""
    earlier, later = resources(POSITIVE), report_bundle(NEGATIVE, STUDY, OBJECTS, site=Site())
    paths = (tmp_path / "withdrawal.json", tmp_path / "report.json")
    paths[0].write_text(superseded_bundle(earlier, base_url=Site().base_url).model_dump_json())
    paths[1].write_text(later.model_dump_json())
    return Result("run-negative", "1.2", (), paths)


def test_a_result_is_delivered_when_withdrawal_and_report_are_acknowledged(
    receiver: MllpReceiver, result: Result
) -> None:
    ris = destination(receiver.port, hl7_receiving_application="RIS")
    assert not ris.shows(result)
    ris.send(result)
    assert ris.shows(result)
    assert not ris.shows(result)  # so that a replay sends it again
    assert [str(read.segment("OBR")[25]) for read in receiver.messages] == ["C", "R"]
    assert [str(read.segment("MSH")[5]) for read in receiver.messages] == ["RIS", "RIS"]
    assert str(receiver.messages[0].segment("MSH")[18]) == "UNICODE UTF-8"
    assert ris.shows(replace(result, bundles=()))


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ("AE database is down", PeerUnreachable, "ris answered AE: database is down"),
        ("AR unknown patient", PeerRefused, "ris answered AR: unknown patient"),
        ("CR", PeerRefused, "ris answered CR: without a reason"),
        ("other", PeerUnreachable, "ris acknowledged another message"),
        ("cut", PeerUnreachable, r"ris: no acknowledgement from .* \(IncompleteReadError\)"),
        ("noise", PeerUnreachable, r"ris: no acknowledgement from .* \("),
    ],
)
def test_a_message_that_is_not_taken_holds_back_the_next_and_is_sent_again_with_its_id(
    receiver: MllpReceiver, result: Result, answer: str, error: type[PeerError], words: str
) -> None:
    ris = destination(receiver.port)
    receiver.answers = [answer]
    with pytest.raises(error, match=words):
        ris.send(result)
    assert not ris.shows(result)
    assert len(receiver.messages) == 1
    ris.send(result)
    ids = [str(read.segment("MSH")[10]) for read in receiver.messages]
    assert ids[0] == ids[1] != ids[2]


def test_a_system_that_does_not_answer_is_worth_trying_again(receiver: MllpReceiver, result: Result) -> None:
    receiver.answers = ["silence"]
    with pytest.raises(PeerUnreachable, match=r"no acknowledgement from .* \(TimeoutError\)"):
        destination(receiver.port, timeout=0.3).send(result)
    with pytest.raises(PeerUnreachable, match="no connection from"):
        destination(free_port()).send(result)


def test_a_result_goes_over_tls_to_a_system_that_asks_for_a_certificate(tmp_path: Path, result: Result) -> None:
    authority = Authority(tmp_path)
    theirs, ours = authority.issue("ris"), authority.issue("node")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.file)
    tls.load_cert_chain(theirs.certificate, theirs.key)
    tls.verify_mode = ssl.CERT_REQUIRED
    shown = {"ca_file": authority.file, "client_certificate": ours.certificate, "client_key": ours.key}
    with mllp_receiver(tls) as receiver:
        ris = destination(receiver.port, tls=True, **shown)
        ris.send(result)
        assert ris.shows(result)
        for other in ({"tls": True}, {"tls": True, "ca_file": authority.file}, {}):
            with pytest.raises(PeerUnreachable):
                destination(receiver.port, **other).send(result)
        assert len(receiver.messages) == 2


def test_the_doctor_connects_and_says_where_nobody_listens(receiver: MllpReceiver) -> None:
    ports = (receiver.port, free_port())
    items = [DestinationSettings(name="ris", kind="hl7v2", host="127.0.0.1", port=port) for port in ports]
    found = list(check_destinations(Settings(destination=tuple(items))))
    assert [finding.result for finding in found] == [Verdict.OK, Verdict.FAILED]
    assert receiver.messages == []


def test_the_outbox_sends_a_result_until_it_is_acknowledged_and_sets_aside_what_is_rejected(
    tmp_path: Path, receiver: MllpReceiver, result: Result
) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    now = [1_000_000.0]
    deliveries, runs = DeliveryJournal(engine, lambda: now[0]), RunJournal(engine, lambda: now[0])
    policy = RetryPolicy(2, 8, 1000)
    box = Outbox(
        "ris",
        destination(receiver.port),
        deliveries,
        policy=policy,
        result=lambda run_id: replace(result, run_id=run_id),
        clock=lambda: now[0],
        in_order=True,
    )
    receiver.answers = ["AE busy", "cut", "AA", "other", "AA", "AA", "AR unknown order"]
    for study_uid in ("1.2", "1.3"):
        spec = RunSpec(study_uid, "rule", "model", "1", "ab", {"T1": (study_uid,)}, ("fhir",), ("ris",), 5)
        runs.create(spec)
        row = ResultRow(spec.run_id, "FHIR", "report.json")
        runs.finished(spec.run_id, outcome="findings", reason=None, objects=[row])
        for _ in range(6):
            box.step()
            now[0] += 10
    states = [(row.state, row.attempts, row.reason) for row in reversed(deliveries.all())]
    engine.dispose()
    assert states == [("delivered", 4, None), ("dead", 1, "ris answered AR: unknown order")]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("host = 'h'", "port: is missing"),
        ("host = 'h'\nport = 1\nca_file = 'c'", "tls: is missing; certificates and keys belong to it"),
        ("host = 'h'\nport = 1\ntoken = 't'", 'token: is not for kind "hl7v2"'),
        ("host = 'h'\nport = 1\nsegmentation = 'labelmap'", "which gets no segmentations"),
        ("host = 'h'\nport = 1\nhl7_receiving_facility = \"a\\rb\"", "is not text of up to 180 characters"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, fields: str, words: str) -> None:
    file = tmp_path / "ainode.toml"
    file.write_text(f"[[destination]]\nname = 'd'\nkind = 'hl7v2'\n{fields}\n")
    with pytest.raises(SettingsError) as told:
        load_settings(file, {})
    assert words in str(told.value)
