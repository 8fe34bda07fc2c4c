"""The DICOMweb client against the real Orthanc."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.misc import is_dicom

from ainode_models.errors import InstanceError, PeerRefused, PeerUnreachable
from ainode_orthanc.auth import Credentials
from ainode_orthanc.dicomweb import DicomWebClient, sop_instance_uid
from ainode_orthanc.store_answer import NOT_SAID, read_store_answer
from peers.orthanc import OrthancServer
from peers.shared_data import shared_data
from peers.tiny_series import write_series


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path / "orthanc") as server:
        yield server


@pytest.fixture
def client(orthanc: OrthancServer) -> Iterator[DicomWebClient]:
    with DicomWebClient(orthanc.dicomweb_url, page=2) as dicomweb:
        yield dicomweb


def test_a_series_comes_back_as_it_was_stored(client: DicomWebClient, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "sent", images=5)
    sent = {sop_instance_uid(path): dcmread(path) for path in paths}
    first = next(iter(sent.values()))

    answer = client.store(paths)
    assert answer.complete
    assert [instance.sop_instance_uid for instance in answer.stored] == list(sent)
    assert {instance.warning for instance in answer.stored} == {None}

    received = tmp_path / "received"
    received.mkdir()
    for number, part in enumerate(client.retrieve_series(first.StudyInstanceUID, first.SeriesInstanceUID)):
        with (received / str(number)).open("wb") as file:
            file.writelines(part)
    assert {sop_instance_uid(path): dcmread(path) for path in received.iterdir()} == sent

    one = client.retrieve_instance(
        first.StudyInstanceUID, first.SeriesInstanceUID, sop_instance_uid=first.SOPInstanceUID
    )
    assert [b"".join(part) for part in one] == [
        path.read_bytes() for path in received.iterdir() if sop_instance_uid(path) == first.SOPInstanceUID
    ]


def test_a_search_pages_through_everything_and_counts_what_belongs_together(
    client: DicomWebClient, tmp_path: Path
) -> None:
    paths = write_series(tmp_path / "a", images=5, seed="a")
    study, series = dcmread(paths[0]).StudyInstanceUID, dcmread(paths[0]).SeriesInstanceUID
    client.store([*paths, *write_series(tmp_path / "b", images=1, seed="b", study_uid=study)])
    client.store(write_series(tmp_path / "c", images=1, seed="c"))

    assert len({found.StudyInstanceUID for found in client.search_studies()}) == 2
    (found,) = client.search_studies({"PatientID": "tiny-c"})
    assert found.PatientID == "tiny-c"
    counts = {found.SeriesInstanceUID: found.NumberOfSeriesRelatedInstances for found in client.search_series(study)}
    assert counts[series] == 5
    assert sorted(counts.values()) == [1, 5]
    instances = [found.SOPInstanceUID for found in client.search_instances(study, series)]
    assert sorted(instances) == sorted(sop_instance_uid(path) for path in paths)
    assert len(list(client.search_instances(study))) == 6
    assert list(client.search_studies({"StudyInstanceUID": "1.2.3"})) == []


def test_a_broken_object_fails_alone_and_the_answer_names_it(client: DicomWebClient, tmp_path: Path) -> None:
    good, bad = write_series(tmp_path / "sent", images=2)
    bad.write_bytes(bad.read_bytes()[:-300])

    answer = client.store([bad, good])
    assert [instance.sop_instance_uid for instance in answer.stored] == [sop_instance_uid(good)]
    (failure,) = answer.failed
    assert (failure.sop_instance_uid, failure.code, failure.reason) == (sop_instance_uid(bad), None, NOT_SAID)
    assert not failure.retriable

    (failure,) = client.store([good], study_uid="1.2.3").failed
    assert (failure.code, failure.reason) == (0x0110, "processing failure (PS3.18 I.2.2, 0110H)")

    bad.write_bytes(b"no DICOM at all")
    with pytest.raises(InstanceError, match=r"0002\.dcm is not a DICOM file"):
        client.store([bad])


def test_each_failure_reason_says_whether_it_may_pass() -> None:
    answer = {
        "00081198": _sequence(
            "00081197", {"1.1": 0xA701, "1.2": 0xA900, "1.3": 0xC122, "1.4": 0xC123, "1.5": 0xEEEE, None: 0x0110}
        ),
        "00081199": _sequence("00081196", {"1.6": 0xB006, "1.7": None, "1.1": None}),
    }
    read = read_store_answer(answer, [f"1.{number}" for number in range(1, 9)])
    assert [(failure.code, failure.retriable) for failure in read.failed] == [
        (0xA701, True),
        (0xA900, False),
        (0xC122, False),
        (0xC123, False),
        (0xEEEE, False),
        (None, False),
    ]
    assert [failure.reason.split(" (")[0] for failure in read.failed][2:5] == [
        "transfer syntax not supported",
        "the archive cannot understand the object",
        "failure EEEEH",
    ]
    assert [(stored.sop_instance_uid, bool(stored.warning)) for stored in read.stored] == [
        ("1.6", True),
        ("1.7", False),
    ]


def _sequence(tag: str, codes: Mapping[str | None, int | None]) -> dict[str, Any]:
    uids = [{} if uid is None else {"00081155": {"vr": "UI", "Value": [uid]}} for uid in codes]
    reasons = [{} if code is None else {tag: {"vr": "US", "Value": [code]}} for code in codes.values()]
    return {"vr": "SQ", "Value": [uid | reason for uid, reason in zip(uids, reasons, strict=True)]}


def test_an_archive_that_dies_in_the_middle_of_a_series_is_unreachable(
    orthanc: OrthancServer, client: DicomWebClient, tmp_path: Path
) -> None:
    # Larger than what the sockets' buffers hold, so that the end cannot already be on its way.
    paths = write_series(tmp_path / "sent", images=20, rows=1024)
    client.store(paths)
    image = dcmread(paths[0])
    parts = client.retrieve_series(image.StudyInstanceUID, image.SeriesInstanceUID)
    whole = 0
    with pytest.raises(PeerUnreachable):
        for part in parts:
            for _ in part:
                orthanc.kill()
            whole += 1
    assert whole < 20
    with pytest.raises(PeerUnreachable, match="cannot be reached"):
        list(client.search_studies())
    orthanc.start()
    assert len(list(client.retrieve_series(image.StudyInstanceUID, image.SeriesInstanceUID))) == 20


def test_what_the_archive_does_not_have_is_refused_without_patient_data(client: DicomWebClient) -> None:
    with pytest.raises(PeerRefused, match="404"):
        list(client.retrieve_series("1.2.3", "1.2.3.4"))
    wrong = DicomWebClient(client.root_url + "/nothing")
    with wrong, pytest.raises(PeerRefused, match="/nothing/studies: the archive answered 404") as refusal:
        list(wrong.search_studies({"PatientName": "Secret^Name"}))
    assert "Secret" not in str(refusal.value)
    for uid in ("", "..", "."):
        with pytest.raises(InstanceError, match="nothing but dots"):
            list(client.search_series(uid))
    with pytest.raises(PeerRefused, match=r"%2F\.\.%2Fsystem/series: the archive answered 404"):
        list(client.search_series("../../system"))
    with DicomWebClient("ftp://archive") as wrong, pytest.raises(PeerRefused, match="no address"):
        list(wrong.search_studies())


def test_a_password_opens_the_archive_and_a_wrong_one_is_refused_clearly(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "sent", images=8, rows=1024)
    with OrthancServer(tmp_path / "locked", users={"node": "right"}) as locked:
        with DicomWebClient(locked.dicomweb_url, Credentials("node", "right")) as client:
            assert client.store(paths).complete
            assert len(list(client.search_studies())) == 1
        for credentials in (Credentials("node", "wrong"), Credentials(token="t0ken"), Credentials()):
            with DicomWebClient(locked.dicomweb_url, credentials) as client:
                with pytest.raises(PeerRefused, match="401 Unauthorized: it wants other credentials"):
                    list(client.search_studies())
                with pytest.raises(PeerRefused, match="401"):
                    client.store(paths)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # The real world has such UIDs.
def test_real_objects_come_back_in_the_transfer_syntax_that_they_had(client: DicomWebClient) -> None:
    paths = [path for path in sorted(shared_data("transfer-syntaxes").glob("*.dcm")) if is_dicom(path)]
    first: dict[str, Path] = {}  # Some files share a UID; the archive keeps what came first.
    for path in paths:
        for instance in client.store([path]).stored:
            first.setdefault(instance.sop_instance_uid, path)
    assert len({dcmread(path).file_meta.TransferSyntaxUID for path in first.values()}) == 7
    for uid, path in first.items():
        sent = dcmread(path)
        parts = client.retrieve_instance(sent.StudyInstanceUID, sent.SeriesInstanceUID, sop_instance_uid=uid)
        assert [b"".join(part) for part in parts] == [path.read_bytes()]
