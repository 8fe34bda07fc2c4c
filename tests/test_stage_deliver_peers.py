"""What delivers to real peers: each says what it did, what it refused, and whether trying again may help."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import LabelMapSegmentationStorage  # type: ignore[attr-defined]  # the names are made at import

from ainode.deliver.association import Peer, association
from ainode.deliver.cstore import CStoreDestination, FindConfirmation
from ainode.deliver.destination import DicomObject, Result
from ainode.deliver.ehr import EhrDestination
from ainode.deliver.stow import QidoConfirmation, StowDestination
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.segmentation import segmentations
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.push import FhirDestination
from ainode_fhir.site import Site
from ainode_fhir.supersede import superseded_bundle
from ainode_models.errors import AinodeError, PeerError, PeerRefused, PeerUnreachable
from ainode_orthanc.dicomweb import DicomWebClient
from peers.dcmtk import StoreScp
from peers.dicom_sources import EQUIPMENT, findings, series
from peers.fhir_receiver import Receiver, own_receiver
from peers.fhir_samples import OBJECTS, POSITIVE, STUDY
from peers.orthanc import OrthancServer, free_port
from peers.tiny_series import write_series


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    overrides = {"DicomAlwaysAllowFind": True}
    with OrthancServer(tmp_path_factory.mktemp("orthanc"), overrides=overrides) as orthanc:
        yield orthanc


@pytest.fixture
def client(orthanc: OrthancServer) -> Iterator[DicomWebClient]:
    with DicomWebClient(orthanc.dicomweb_url) as client:
        yield client


def result_of(folder: Path, seed: str) -> Result:
    """Two objects as a run leaves them; each seed its own."""
    paths = write_series(folder / seed, images=2, seed=seed)
    headers = [dcmread(path, stop_before_pixels=True) for path in paths]
    items = tuple(
        DicomObject(path, ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID)
        for path, ds in zip(paths, headers, strict=True)
    )
    return Result(f"run {seed}", headers[0].StudyInstanceUID, items, ())


def peer(port: int, *, ae_title: str = "ORTHANC", timeout: float = 10) -> Peer:
    return Peer("pacs", ae_title, "127.0.0.1", port, "AINODE", timeout)


def c_store(to: Peer) -> CStoreDestination:
    return CStoreDestination(to, FindConfirmation(to))


def stored(orthanc: OrthancServer, result: Result) -> list[str]:
    found = orthanc.find("Instance", {"StudyInstanceUID": result.study_uid})
    return sorted(item["MainDicomTags"]["SOPInstanceUID"] for item in found)


def test_objects_stored_by_c_store_show_by_c_find_and_only_they(tmp_path: Path, orthanc: OrthancServer) -> None:
    result = result_of(tmp_path, "cstore")
    destination = c_store(peer(orthanc.dicom_port))
    assert not destination.shows(result)
    destination.send(replace(result, dicom=result.dicom[:1]))
    assert not destination.shows(result)
    destination.send(result)
    destination.send(result)
    assert destination.shows(result)
    assert stored(orthanc, result) == sorted(item.sop_instance_uid for item in result.dicom)
    assert not destination.shows(result_of(tmp_path, "never sent"))


def test_a_pacs_without_c_find_is_refused_by_name_before_anything_is_sent(tmp_path: Path) -> None:
    with StoreScp(tmp_path / "pacs") as scp:
        destination = c_store(peer(scp.port, ae_title="STORESCP"))
        result = result_of(tmp_path, "no find")
        with pytest.raises(PeerRefused, match=r"pacs does not accept SOP class Study Root .* FIND"):
            destination.shows(result)
        assert scp.files() == []
        destination.send(result)
        assert len(scp.files()) == 2


def test_a_pacs_without_c_find_is_confirmed_by_another_archive(
    tmp_path: Path, orthanc: OrthancServer, client: DicomWebClient
) -> None:
    result = result_of(tmp_path, "by qido")
    destination = CStoreDestination(peer(orthanc.dicom_port), QidoConfirmation(client))
    assert not destination.shows(result)
    destination.send(result)
    assert destination.shows(result)


def test_a_sop_class_that_a_pacs_does_not_take_is_refused_by_name(tmp_path: Path) -> None:
    one, other = result_of(tmp_path, "mixed").dicom
    foreign = replace(other, sop_class_uid="1.2.826.0.1.3680043.9.9999.1")
    with StoreScp(tmp_path / "pacs") as scp:
        destination = c_store(peer(scp.port, ae_title="STORESCP"))
        for items in ((one, foreign), (foreign,)):
            with pytest.raises(
                PeerRefused, match=r"pacs does not accept SOP class .*1\.2\.826\.0\.1\.3680043\.9\.9999"
            ):
                destination.send(Result("run", "1.2", items, ()))
        assert scp.files() == []


# pynetdicom leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ask", ["send", "shows"])
def test_a_pacs_that_is_not_there_is_worth_trying_again(tmp_path: Path, ask: str) -> None:
    destination = c_store(peer(free_port(), timeout=2))
    with pytest.raises(PeerUnreachable, match=r"pacs: no association with ORTHANC at 127.0.0.1:\d+; is it running"):
        getattr(destination, ask)(result_of(tmp_path, "nobody"))


@pytest.mark.parametrize(
    ("option", "words"),
    [("--refuse", "no association with STORESCP"), ("--abort-after", "without an answer to C-STORE")],
)
def test_a_pacs_that_refuses_or_breaks_off_is_worth_trying_again(tmp_path: Path, option: str, words: str) -> None:
    with (
        StoreScp(tmp_path / "pacs", options=(option,)) as scp,
        pytest.raises(PeerUnreachable, match=words),
    ):
        c_store(peer(scp.port, ae_title="STORESCP")).send(result_of(tmp_path, "broken off"))


@contextmanager
def answering(status: int) -> Iterator[Peer]:
    """A PACS that answers every C-STORE with ``status``."""
    ae = AE(ae_title="PACS")
    ae.add_supported_context(CTImageStorage)
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _event: status)])
    assert server
    try:
        yield peer(port, ae_title="PACS")
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "error"),
    [(0xA700, PeerUnreachable), (0xA7FF, PeerUnreachable), (0xA900, PeerRefused), (0xC001, PeerRefused)],
)
def test_a_pacs_that_answers_with_a_failure_says_its_status(
    tmp_path: Path, status: int, error: type[PeerError]
) -> None:
    with answering(status) as pacs, pytest.raises(error, match=f"pacs .*0x{status:04X}"):
        c_store(pacs).send(result_of(tmp_path, "failure"))


def test_a_pacs_that_stores_with_a_warning_has_stored(tmp_path: Path) -> None:
    with answering(0xB000) as pacs:
        c_store(pacs).send(result_of(tmp_path, "warning"))


def label_map_of(folder: Path) -> Result:
    (ds,) = segmentations(findings(), series(), EQUIPMENT, form=SegmentationForm.LABELMAP)
    path = folder / "labelmap.dcm"
    path.write_bytes(encoded(ds))
    item = DicomObject(path, ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID)
    return Result("run-1", ds.StudyInstanceUID, (item,), ())


@pytest.mark.parametrize("syntax", [RLELossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_label_map_reaches_a_pacs_in_the_transfer_syntax_that_it_takes(tmp_path: Path, syntax: str) -> None:
    result, came = label_map_of(tmp_path), list[Dataset]()

    def keep(event: evt.Event) -> int:
        came.append(event.dataset)
        came[-1].file_meta = event.file_meta
        return 0

    ae = AE(ae_title="PACS")
    ae.add_supported_context(LabelMapSegmentationStorage, syntax)
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    assert server
    try:
        c_store(peer(port, ae_title="PACS")).send(result)
    finally:
        server.shutdown()
    (ds,) = came
    sent = dcmread(result.dicom[0].path)
    assert (ds.file_meta.TransferSyntaxUID, ds.SOPInstanceUID) == (syntax, sent.SOPInstanceUID)
    assert np.array_equal(ds.pixel_array, sent.pixel_array)


def test_a_label_map_stored_by_stow_comes_back_as_it_was(
    tmp_path: Path, orthanc: OrthancServer, client: DicomWebClient
) -> None:
    result = label_map_of(tmp_path)
    destination = StowDestination("archive", client)
    for _ in range(2):
        destination.send(result)
        assert destination.shows(result)
    back = dcmread(BytesIO(orthanc.file_of(result.dicom[0].sop_instance_uid)))
    sent = dcmread(result.dicom[0].path)
    assert (back.file_meta.TransferSyntaxUID, back.PixelData) == (RLELossless, sent.PixelData)


def test_a_pacs_that_ends_between_two_objects_is_worth_trying_again(tmp_path: Path) -> None:
    (image, *_) = write_series(tmp_path, images=1)
    with (
        StoreScp(tmp_path / "pacs") as scp,
        pytest.raises(PeerUnreachable, match="pacs ended the association between"),
        association(peer(scp.port, ae_title="STORESCP"), [CTImageStorage]) as assoc,
    ):
        scp.stop()
        while assoc.is_established:
            time.sleep(0.01)
        assoc.send_c_store(dcmread(image))


def test_objects_stored_by_stow_show_by_qido_and_twice_is_once(
    tmp_path: Path, orthanc: OrthancServer, client: DicomWebClient
) -> None:
    result = result_of(tmp_path, "stow")
    destination = StowDestination("archive", client)
    assert not destination.shows(result)
    destination.send(replace(result, dicom=result.dicom[:1]))
    assert not destination.shows(result)
    destination.send(result)
    destination.send(result)
    assert destination.shows(result)
    assert stored(orthanc, result) == sorted(item.sop_instance_uid for item in result.dicom)


def test_an_object_that_an_archive_refuses_is_named_and_the_others_are_stored(
    tmp_path: Path, orthanc: OrthancServer, client: DicomWebClient
) -> None:
    result = result_of(tmp_path, "refused")
    bad, good = result.dicom
    ds = dcmread(bad.path)
    del ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID
    ds.save_as(bad.path)
    with pytest.raises(PeerRefused, match=f"archive refused to store: {bad.sop_instance_uid}: ") as caught:
        StowDestination("archive", client).send(result)
    assert good.sop_instance_uid not in str(caught.value)
    assert stored(orthanc, result) == [good.sop_instance_uid]


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"not DICOM"), lambda path: path.unlink()])
def test_a_result_file_that_was_lost_is_an_error_that_names_it(
    tmp_path: Path, orthanc: OrthancServer, client: DicomWebClient, spoil: Callable[[Path], object]
) -> None:
    result = result_of(tmp_path, "lost")
    spoil(result.dicom[0].path)
    for destination in (StowDestination("archive", client), c_store(peer(orthanc.dicom_port))):
        with pytest.raises(AinodeError, match=r"0001\.dcm"):
            destination.send(result)


def test_an_archive_that_is_not_there_is_worth_trying_again(tmp_path: Path) -> None:
    result = result_of(tmp_path, "no archive")
    with DicomWebClient(f"http://127.0.0.1:{free_port()}/dicom-web") as client:
        for ask in (StowDestination("archive", client).send, QidoConfirmation(client).shows):
            with pytest.raises(PeerUnreachable):
                ask(result)


@pytest.fixture
def ehr(tmp_path: Path) -> Iterator[Receiver]:
    with own_receiver(tmp_path) as receiver:
        yield receiver


def bundles(folder: Path) -> tuple[Path, Path, Path]:
    """Files of the report of a run, of its withdrawal, and of the report that replaces it."""
    site = Site()
    first = report_bundle(POSITIVE, STUDY, OBJECTS, site=site)
    later = report_bundle(replace(POSITIVE, run_id="run-2"), STUDY, OBJECTS, site=site, replaces=POSITIVE.run_id)
    withdrawal = superseded_bundle([entry["resource"] for entry in as_json(first)["entry"]], base_url=site.base_url)
    paths = tuple(folder / f"{name}.json" for name in ("first", "withdrawal", "later"))
    for path, bundle in zip(paths, (first, withdrawal, later), strict=True):
        path.write_text(bundle.model_dump_json())
    return paths  # type: ignore[return-value]


def reports(ehr: Receiver) -> dict[str, str]:
    found = httpx.get(f"{ehr.url}/DiagnosticReport", trust_env=False).json().get("entry", [])
    return {entry["resource"]["identifier"][0]["value"]: entry["resource"]["status"] for entry in found}


def test_an_ehr_gets_the_withdrawal_of_the_earlier_report_and_then_the_new_one(tmp_path: Path, ehr: Receiver) -> None:
    first, withdrawal, later = bundles(tmp_path)
    with httpx.Client(trust_env=False) as client:
        destination = EhrDestination(FhirDestination(ehr.url, client))
        old, new = Result("run-1", "1.2", (), (first,)), Result("run-2", "1.2", (), (withdrawal, later))
        assert not destination.shows(old)
        destination.send(old)
        assert destination.shows(old)
        assert not destination.shows(new)
        for _ in range(2):
            destination.send(new)
            assert destination.shows(new)
    assert reports(ehr) == {"run-positive": "entered-in-error", "run-2": "partial"}


def test_an_ehr_that_never_got_the_earlier_report_gets_the_new_one_all_the_same(tmp_path: Path, ehr: Receiver) -> None:
    _, withdrawal, later = bundles(tmp_path)
    with httpx.Client(trust_env=False) as client:
        destination = EhrDestination(FhirDestination(ehr.url, client))
        destination.send(Result("run-2", "1.2", (), (withdrawal, later)))
        assert destination.shows(Result("run-2", "1.2", (), (withdrawal, later)))
    assert reports(ehr)["run-2"] == "partial"


def test_an_ehr_that_is_not_there_shows_nothing_and_is_worth_trying_again(tmp_path: Path) -> None:
    result = Result("run-1", "1.2", (), bundles(tmp_path)[:1])
    with httpx.Client(trust_env=False, timeout=30) as client:
        destination = EhrDestination(FhirDestination(f"http://127.0.0.1:{free_port()}", client))
        assert not destination.shows(result)
        assert destination.shows(replace(result, bundles=()))
        with pytest.raises(PeerUnreachable):
            destination.send(result)
