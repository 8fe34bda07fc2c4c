"""Archives, destinations, and who takes storage commitment reports."""

from collections.abc import Iterator
from ipaddress import ip_network

from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # the names are made at import
    Comprehensive3DSRStorage,
    LabelMapSegmentationStorage,
    SegmentationStorage,
    StudyRootQueryRetrieveInformationModelFind,
)

from ainode import peers
from ainode.deliver.association import Peer
from ainode.doctor import dicom_peer, web_peer
from ainode.doctor.finding import Finding, Result, failed, ok
from ainode.settings import Archive, Caller, Destination, Settings
from ainode_models.errors import PeerError, SettingsError
from ainode_models.uids import derived_uid

_ADDRESS = "check the address"
_NO_STUDY = derived_uid("doctor", "a study that nobody has")


def check_archives(settings: Settings) -> Iterator[Finding]:
    """DICOMweb, and Orthanc's own REST interface where it is followed."""
    for archive in settings.archive:
        found = _dicomweb(archive)
        yield from [next(found)] if archive.orthanc else found
        if archive.orthanc:
            name = f"archive {archive.name}: Orthanc"
            asked = {"question": "/system", "accept": "application/json"}
            found = web_peer.ask(name, archive.orthanc, peer=archive, reading=_orthanc, **asked)
            yield next(found)
            yield from web_peer.ask_orthanc_time(name, archive.orthanc, archive)


def check_destinations(settings: Settings) -> Iterator[Finding]:
    """C-ECHO with the SOP classes of results, CapabilityStatement, or a connection; one of STOW-RS is its archive."""
    for item in settings.destination:
        if item.kind == "cstore":
            yield from _pacs(item, settings)
        elif item.kind == "fhir":
            name = f"destination {item.name}: FHIR"
            asked = {"question": "/metadata", "accept": "application/fhir+json"}
            yield from web_peer.ask(name, item.url, peer=item, reading=_fhir_r4, **asked)
        elif item.kind == "hl7v2":
            yield _mllp(item)


def _mllp(item: Destination) -> Finding:
    name = f"destination {item.name}: MLLP"
    try:
        peers.mllp_destination(item).reach()
    except (PeerError, SettingsError) as exc:
        return failed(name, str(exc), "is it running, are address and certificates right?")
    return ok(name, f"{item.host}:{item.port} takes connections")


def check_commitment(settings: Settings) -> Iterator[Finding]:
    """C-ECHO to each caller that takes reports on associations of their own."""
    for caller in settings.dicom.caller:
        if peer := _commitment_peer(caller, settings):
            yield dicom_peer.ask(f"caller {caller.ae_title}: storage commitment reports", peer)


def _dicomweb(archive: Archive) -> Iterator[Finding]:
    """QIDO-RS for a study that nobody has: its answer holds no patient."""
    asked = {"question": f"/studies/{_NO_STUDY}/series", "accept": "application/dicom+json"}
    name = f"archive {archive.name}: DICOMweb"
    yield from web_peer.ask(name, archive.dicomweb, peer=archive, reading=_list, **asked)


def _pacs(item: Destination, settings: Settings) -> Iterator[Finding]:
    def peer(ae_title: str) -> Peer:
        return Peer(item.name, ae_title, item.host, item.port, settings.dicom.ae_title, min(item.timeout, 10.0))

    name = f"destination {item.name}"
    segmentations = LabelMapSegmentationStorage if item.segmentation == "labelmap" else SegmentationStorage
    yield dicom_peer.ask(f"{name}: C-STORE", peer(item.ae_title), [segmentations, Comprehensive3DSRStorage])
    if not item.archive:
        title = item.query_ae_title or item.ae_title
        yield dicom_peer.ask(f"{name}: C-FIND", peer(title), [StudyRootQueryRetrieveInformationModelFind])


def _commitment_peer(caller: Caller, settings: Settings) -> Peer | None:
    """None when the settings name neither one AE nor one address: reports then go where the question came from."""
    network = ip_network(caller.address, strict=False)
    host = caller.host or (str(network.network_address) if network.num_addresses == 1 else "")
    if not caller.port or not host or caller.ae_title == "*":
        return None
    return Peer(caller.ae_title, caller.ae_title, host, caller.port, settings.dicom.ae_title, 10.0)


def _list(body: object) -> tuple[Result, str, str] | None:
    return None if isinstance(body, list) else (Result.FAILED, "answers with no list of series", _ADDRESS)


def _orthanc(body: object) -> tuple[Result, str, str] | None:
    well = isinstance(body, dict) and "ApiVersion" in body
    return None if well else (Result.FAILED, "is no Orthanc", _ADDRESS)


def _fhir_r4(body: object) -> tuple[Result, str, str] | None:
    if not isinstance(body, dict) or body.get("resourceType") != "CapabilityStatement":
        return Result.FAILED, "answers with no CapabilityStatement", _ADDRESS
    version = str(body.get("fhirVersion", "?"))
    if not version.startswith("4."):
        return (
            Result.FAILED,
            f"speaks FHIR {version}; this node speaks R4 (4.0.1)",
            "give the address of its R4 interface",
        )
    modes = [one.get("code") for rest in body.get("rest", []) for one in rest.get("interaction", [])]
    if "transaction" not in modes:
        return Result.WARNING, "does not say that it takes transactions", "ask its makers: reports come as transactions"
    return None
