"""From settings to what the stages and their peers are built with."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ainode.deliver.association import Peer
from ainode.deliver.cstore import CStoreDestination, FindConfirmation
from ainode.deliver.destination import Destination
from ainode.deliver.ehr import EhrDestination
from ainode.deliver.mllp import MllpDestination, MllpPeer
from ainode.deliver.stow import QidoConfirmation, StowDestination
from ainode.journal.commitments import CommitmentRow
from ainode.orders.options import OrderOptions
from ainode.places import Places
from ainode.receive.free_space import FreeSpace, Room, room_of
from ainode.receive.options import Caller, ListenerOptions
from ainode.receive.tls import TlsFiles
from ainode.settings import REPORT_KINDS, Archive, Settings
from ainode.settings import Credentials as CredentialSettings
from ainode.settings import Destination as DestinationSettings
from ainode.settings.agreement import LOOPBACK
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_fhir.access import BackendAccess, Client
from ainode_fhir.hl7v2.oru import Parties
from ainode_fhir.push import FhirDestination
from ainode_fhir.signing_key import SigningKey
from ainode_fhir.site import Site
from ainode_models.errors import PeerUnreachable
from ainode_orthanc.auth import ClientArguments, Credentials
from ainode_orthanc.dicomweb import DicomWebClient

_LOOPBACK = (Caller("*", "127.0.0.0/8"), Caller("*", "::1/128"))
"""Who may call when the settings name nobody."""
_EARLIER = 1.2
"""Times the mark below which objects are refused: room is made before."""


def version() -> str:
    """Version of this software."""
    return installed_version("ainode")


def listener_options(settings: Settings) -> ListenerOptions:
    """The C-STORE SCP as the settings want it."""
    dicom = settings.dicom
    named = tuple(Caller(caller.ae_title, caller.address) for caller in dicom.caller)
    return ListenerOptions(
        ae_title=dicom.ae_title,
        host=dicom.host,
        port=dicom.port,
        callers=named or _LOOPBACK,
        max_associations=dicom.max_associations,
        max_pdu=dicom.max_pdu,
        network_timeout_s=dicom.network_timeout,
        acse_timeout_s=dicom.acse_timeout,
        dimse_timeout_s=dicom.dimse_timeout,
        accept_unknown=dicom.accept_unknown,
        private_sop_classes=dicom.accept_private_sop_classes,
        tls_port=dicom.tls_port,
        tls=TlsFiles(dicom.tls_certificate, dicom.tls_key, dicom.tls_ca) if dicom.tls_certificate else None,
    )


def order_options(settings: Settings) -> OrderOptions:
    """The receiver of orders as the settings want it."""
    orders = settings.orders
    named = tuple(sender.address for sender in orders.sender)
    return OrderOptions(
        host=orders.host,
        port=orders.port,
        senders=named or tuple(caller.address for caller in _LOOPBACK),
        tls=TlsFiles(orders.tls_certificate, orders.tls_key, orders.tls_ca) if orders.tls_certificate else None,
        patience_s=orders.patience,
        silence_s=orders.silence,
        most_bytes=orders.max_message,
        most_connections=orders.max_connections,
    )


def free_space(settings: Settings, places: Places) -> FreeSpace:
    """What watches the disks of spool and node folder, which may be two; the spool's folder is made for it."""
    places.spool.mkdir(parents=True, exist_ok=True)
    return FreeSpace(
        (places.spool, places.folder),
        least_bytes=settings.spool.min_free_bytes,
        least_percent=settings.spool.min_free_percent,
    )


def room_to_make(settings: Settings) -> Callable[[Path], Room]:
    """Room of a disk against the mark of ``[retention]``, which lies above that of ``[spool]`` if it is set at all."""
    marks = (settings.retention.make_room_bytes, settings.retention.make_room_percent)
    if any(marks):
        spool = (settings.spool.min_free_bytes, settings.spool.min_free_percent)
        marks = (max(marks[0], int(spool[0] * _EARLIER)), max(marks[1], spool[1] * _EARLIER))
    return partial(room_of, least_bytes=marks[0], least_percent=marks[1])


def equipment(settings: Settings) -> Equipment:
    """This node as General Equipment of the objects that it writes (PS3.3 C.7.5.1)."""
    return Equipment(
        manufacturer="ainode",
        model_name="ainode",
        device_serial_number=settings.node.device_serial_number,
        station_name=settings.node.name,
        institution_name=settings.node.organization,
        software_versions=(version(),),
    )


def fhir_url(settings: Settings) -> str:
    """Where this node serves FHIR, as its clients see it."""
    return f"{_web_url(settings)}/fhir"


def dicomweb_url(settings: Settings) -> str:
    """Where this node serves DICOMweb, as its clients see it."""
    return f"{_web_url(settings)}/dicom-web"


def api_url(settings: Settings) -> str:
    """Where this node serves its REST interface, as its clients see it."""
    return f"{_web_url(settings)}/api/v1"


def wado_url(settings: Settings) -> str | None:
    """Where readers of FHIR fetch images and results by WADO-RS; None rather than an address that may be wrong.

    Unless it is set, it is the one archive that results are delivered to, if its address means the same to others: no
    name without a dot, and this machine's own only where FHIR is served there, too.
    """
    if settings.fhir.wado_url:
        return settings.fhir.wado_url
    used = {item.archive for item in settings.destination if item.kind != "fhir"}
    found = [archive.dicomweb for archive in settings.archive if archive.name in used]
    if len(found) != 1 or len(used) != 1:
        return None
    host = urlsplit(found[0]).hostname or ""
    local = host in LOOPBACK
    known = urlsplit(fhir_url(settings)).hostname in LOOPBACK if local else "." in host or ":" in host
    return found[0] if known else None


def _web_url(settings: Settings) -> str:
    web = settings.web
    return web.public_url.rstrip("/") or f"http://{web.host}:{web.port}"


def site(settings: Settings) -> Site:
    """What the FHIR resources say of this site."""
    return Site(
        organization=settings.node.organization,
        report_status=settings.fhir.report_status,
        reviewed_status=settings.fhir.reviewed_status,
        base_url=fhir_url(settings),
        node_name=settings.node.name,
        node_version=version(),
        patient_system=settings.fhir.patient_identifier_system,
        accession_system=settings.fhir.accession_identifier_system,
        wado_url=wado_url(settings),
    )


def credentials(peer: CredentialSettings) -> Credentials:
    """How to show an HTTP peer who this node is."""
    return Credentials(
        user=peer.username or None,
        password=peer.password.reveal() if peer.username else None,
        token=peer.token.reveal() or None,
        certificate=peer.client_certificate,
        key=peer.client_key,
        key_password=peer.client_key_password.reveal() or None,
        authority=peer.ca_file,
    )


def client_arguments(peer: CredentialSettings) -> ClientArguments:
    """How an httpx client logs in; SettingsError when a certificate or key cannot be used."""
    arguments = credentials(peer).client_arguments()
    if isinstance(peer, DestinationSettings) and peer.oauth_client_id:
        client = Client(
            id=peer.oauth_client_id,
            scope=peer.oauth_scope,
            key=signing_key(peer),
            secret=peer.oauth_secret.reveal(),
            token_url=peer.oauth_token_url,
        )
        arguments["auth"] = BackendAccess(client, base_url=peer.url)
    return arguments


def signing_key(peer: DestinationSettings) -> SigningKey | None:
    """The key by which this node asks for access tokens; None where it has none, SettingsError when it is none."""
    if not peer.oauth_key:
        return None
    return SigningKey.read(peer.oauth_key, password=peer.oauth_key_password.reveal(), key_id=peer.oauth_key_id)


def dicomweb(archive: Archive) -> DicomWebClient:
    """Client of one archive's DICOMweb."""
    return DicomWebClient(archive.dicomweb, credentials(archive), timeout_seconds=archive.timeout)


def destination(item: DestinationSettings, settings: Settings) -> Destination:
    """What delivers to one destination."""
    archives = {archive.name: archive for archive in settings.archive}
    if item.kind == "stow":
        return StowDestination(item.name, dicomweb(archives[item.archive]))
    if item.kind == "fhir":
        client = httpx.Client(**client_arguments(item), timeout=item.timeout)
        return EhrDestination(FhirDestination(item.url, client))
    if item.kind == "hl7v2":
        return mllp_destination(item)
    confirmation = (
        QidoConfirmation(dicomweb(archives[item.archive]))
        if item.archive
        else FindConfirmation(_peer(item, settings, item.query_ae_title or item.ae_title))
    )
    return CStoreDestination(_peer(item, settings, item.ae_title), confirmation)


def mllp_destination(item: DestinationSettings) -> MllpDestination:
    """What sends HL7 v2 messages to one destination; SettingsError when a certificate cannot be read."""
    tls = credentials(item).tls() if item.tls else None
    parties = Parties(
        sending_application=item.hl7_sending_application,
        sending_facility=item.hl7_sending_facility,
        receiving_application=item.hl7_receiving_application,
        receiving_facility=item.hl7_receiving_facility,
    )
    return MllpDestination(MllpPeer(item.name, item.host, item.port, item.timeout, tls), parties)


def fhir_destinations(settings: Settings) -> frozenset[str]:
    """Names of the destinations that get FHIR."""
    return frozenset(item.name for item in settings.destination if item.kind == "fhir")


def asking_for_registered(settings: Settings) -> frozenset[str]:
    """Names of the destinations that are told of reports when their runs are accepted."""
    return frozenset(item.name for item in settings.destination if item.kind == "fhir" and item.registered)


def segmentation_forms(settings: Settings) -> Mapping[str, SegmentationForm]:
    """The form that each destination wants of a segmentation, by its name; those that take none are not there."""
    return {
        item.name: SegmentationForm(item.segmentation) for item in settings.destination if item.kind not in REPORT_KINDS
    }


def commitment_peer(row: CommitmentRow, settings: Settings) -> Peer:
    """Where a caller takes storage commitment reports; PeerUnreachable when the settings do not say."""
    for caller in settings.dicom.caller:
        if caller.port and Caller(caller.ae_title, caller.address).allows(row.calling, row.address):
            return Peer(
                name=row.calling,
                ae_title=row.calling,
                host=caller.host or row.address,
                port=caller.port,
                calling_ae_title=settings.dicom.ae_title,
                timeout=settings.dicom.dimse_timeout,
            )
    raise PeerUnreachable(
        f"{row.calling} did not wait for the report, and no [[dicom.caller]] says where it takes one; give its port"
    )


def _peer(item: DestinationSettings, settings: Settings, ae_title: str) -> Peer:
    return Peer(
        name=item.name,
        ae_title=ae_title,
        host=item.host,
        port=item.port,
        calling_ae_title=settings.dicom.ae_title,
        timeout=item.timeout,
    )
