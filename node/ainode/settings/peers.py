"""The sections of the settings file that concern archives and destinations."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from ainode.settings import kinds
from ainode.settings.secret import NO_SECRET, Secret
from ainode.settings.sections import OptionalFile, Seconds

DestinationKind = Literal["stow", "cstore", "fhir", "hl7v2"]
REPORT_KINDS = ("fhir", "hl7v2")
"""Kinds of destination that get the FHIR report of a run, or what it says, and no DICOM objects."""
FollowFrom = Literal["now", "start"]
SegmentationKind = Literal["binary", "labelmap", "split"]
Name = Annotated[str, kinds.text("letters, digits, - and _, beginning with a letter", r"[A-Za-z][A-Za-z0-9_-]{0,63}")]
OptionalAETitle = Annotated[str, kinds.ae_title(optional=True)]
OptionalUrl = Annotated[str, kinds.web_url(optional=True)]
Hl7Name = Annotated[str, kinds.text("text of up to 180 characters", r"[^\x00-\x1f]{0,180}")]
OptionalSecret = Annotated[Secret, kinds.secret()]


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """How this node shows a web server who it is, and checks who the server is."""

    username: Annotated[str, kinds.text("text")] = ""
    """User for basic authentication (RFC 7617)."""
    password: OptionalSecret = NO_SECRET
    """Password for basic authentication."""
    token: OptionalSecret = NO_SECRET
    """Bearer token (RFC 6750), instead of user and password."""
    client_certificate: OptionalFile = None
    """PEM file with this node's certificate, for mutual TLS."""
    client_key: OptionalFile = None
    """PEM file with the key of the certificate; empty when `client_certificate` holds it too."""
    client_key_password: OptionalSecret = NO_SECRET
    """Passphrase of the key."""
    ca_file: OptionalFile = None
    """PEM file with the authorities to trust; empty for those of this system."""
    timeout: Seconds = 30.0
    """Seconds to wait for the server to connect, and for each part of its answer."""


@dataclass(frozen=True, kw_only=True)
class Archive(Credentials):
    """An archive with DICOMweb, such as Orthanc, to fetch studies from and to count their instances."""

    name: Name
    """What rules, logs and destinations call it."""
    dicomweb: Annotated[str, kinds.web_url()]
    """Base URL of its DICOMweb services (PS3.18), for example `"http://127.0.0.1:8042/dicom-web"`."""
    orthanc: OptionalUrl = ""
    """Root URL of Orthanc's REST interface, needed by `follow`, for example `"http://127.0.0.1:8042"`."""
    follow: Annotated[bool, kinds.flag()] = False
    """Whether to fetch every study that arrives there, as Orthanc's change feed tells."""
    follow_from: Annotated[FollowFrom, kinds.choice(*get_args(FollowFrom))] = "now"
    """Where to begin when the node meets this archive for the first time: with what arrives from `"now"` on, or with
    all that it has, from the `"start"` of its change feed."""
    poll: Seconds = 1.0
    """Seconds between two looks at the change feed while it is quiet."""


@dataclass(frozen=True, kw_only=True)
class Destination(Credentials):
    """A place that results are delivered to."""

    name: Name
    """What rules and logs call it."""
    kind: Annotated[DestinationKind, kinds.choice(*get_args(DestinationKind))]
    """`"stow"`: DICOMweb STOW-RS into `archive`. `"cstore"`: C-STORE to an AE. `"fhir"`: a transaction to a
    FHIR server. `"hl7v2"`: ORU^R01 over MLLP."""
    archive: Annotated[str, kinds.text('the name of an [[archive]], or ""')] = ""
    """Name of the `[[archive]]` that stow stores into; for cstore, the one whose QIDO-RS confirms a delivery,
    instead of C-FIND."""
    url: OptionalUrl = ""
    """Base URL of the FHIR server (fhir)."""
    oauth_client_id: Annotated[str, kinds.text("text")] = ""
    """Id that the EHR's authorization server knows this node by (fhir): SMART Backend Services with `oauth_key`, plain
    client credentials (RFC 6749 4.4) with `oauth_secret`."""
    oauth_key: OptionalFile = None
    """PEM file with the private key, RSA (RS384) or P-384 (ES384); `ainode config jwks` prints its public half."""
    oauth_key_password: OptionalSecret = NO_SECRET
    """Passphrase of `oauth_key`."""
    oauth_key_id: Annotated[str, kinds.text("text")] = ""
    """`kid` of the key there; empty for its thumbprint (RFC 7638), as `ainode config jwks` prints it."""
    oauth_secret: OptionalSecret = NO_SECRET
    """Secret of the client, instead of `oauth_key`."""
    oauth_scope: Annotated[str, kinds.text("text")] = "system/*.crus"
    """Scopes to ask for; those of SMART 1 are `"system/*.read system/*.write"`."""
    oauth_token_url: OptionalUrl = ""
    """Token endpoint; empty to take it from `.well-known/smart-configuration` below `url`."""
    registered: Annotated[bool, kinds.flag()] = False
    """Whether to send reports as `registered` as soon as their runs are accepted (fhir)."""
    ae_title: OptionalAETitle = ""
    """Called AE title (cstore)."""
    host: Annotated[str, kinds.text('a host name or an IP address, or "" for none', r"[A-Za-z0-9._:-]*")] = ""
    """Host name or address (cstore, hl7v2)."""
    port: Annotated[int, kinds.whole(0, 65535)] = 0
    """TCP port (cstore, hl7v2)."""
    tls: Annotated[bool, kinds.flag()] = False
    """Whether to speak TLS (hl7v2)."""
    hl7_sending_application: Hl7Name = "AINODE"
    """MSH-3 (hl7v2)."""
    hl7_sending_facility: Hl7Name = ""
    """MSH-4 (hl7v2)."""
    hl7_receiving_application: Hl7Name = ""
    """MSH-5 (hl7v2)."""
    hl7_receiving_facility: Hl7Name = ""
    """MSH-6 (hl7v2)."""
    query_ae_title: OptionalAETitle = ""
    """AE title that answers C-FIND on the same host and port, to confirm a delivery (cstore); empty for
    `ae_title`."""
    segmentation: Annotated[SegmentationKind, kinds.choice(*get_args(SegmentationKind))] = "binary"
    """Form of the segmentations it gets (stow, cstore): `"binary"`, which nearly every viewer reads; `"labelmap"`,
    Label Map Segmentation (DICOM 2024c) in RLE, far smaller with many segments; `"split"`, binary with an object
    for each segment, for viewers that show the first segment alone or cannot load large objects."""
