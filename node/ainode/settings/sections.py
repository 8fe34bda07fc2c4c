"""The sections of the settings file that concern this node itself.

Each field is annotated with its kind and documented below it; ``docs/settings.md`` is made from here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from ainode.settings import kinds
from ainode.settings.secret import NO_DATABASE_URL, DatabaseUrl

Device = Literal["auto", "cpu", "cuda"]
FhirAccess = Literal["auto", "required", "open"]
ReportStatus = Literal["partial", "preliminary"]
ReviewedStatus = Literal["final", "unchanged"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "console"]
AETitle = Annotated[str, kinds.ae_title()]
Host = Annotated[str, kinds.text("a host name or an IP address", r"[A-Za-z0-9._:-]+")]
Port = Annotated[int, kinds.whole(1, 65535)]
Line = Annotated[str, kinds.text("1 to 64 characters on one line, no backslash", r"[^\x00-\x1f\\]{1,64}")]
ShortLine = Annotated[str, kinds.text("1 to 16 characters on one line, no backslash", r"[^\x00-\x1f\\]{1,16}")]
Seconds = Annotated[float, kinds.number(0.1, 31_536_000, "seconds")]
File = Annotated[Path, kinds.file()]
OptionalFile = Annotated[Path | None, kinds.optional_file()]


@dataclass(frozen=True, kw_only=True)
class Node:
    """What this node is called, and where it keeps its state."""

    folder: File = Path("ainode-data")
    """Folder for received instances, databases and results, on a local disk; made when it is not there."""
    name: ShortLine = "ainode"
    """Name of this node in results, logs and metrics; Station Name (0008,1010)."""
    organization: Line = "ainode demonstration site"
    """The organization that owns this node: Institution Name (0008,0080) in DICOM, `performer` in FHIR."""
    device_serial_number: Line = "1"
    """Device Serial Number (0018,1000) in results; give every node of a site its own."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who may send to this node. Without any such entry, only programs on this machine may."""

    ae_title: Annotated[str, kinds.ae_title(wildcard=True)]
    """Calling AE title, exact; `"*"` for any."""
    address: Annotated[str, kinds.network()]
    """Address, or network, that the association comes from; `"0.0.0.0/0"` and `"::/0"` are all of them."""
    port: Annotated[int, kinds.whole(0, 65535)] = 0
    """TCP port where the caller takes storage commitment reports when it does not wait for them on its own
    association; 0 for none."""
    host: Annotated[str, kinds.text('a host name or an IP address, or "" for none', r"[A-Za-z0-9._:-]*")] = ""
    """Host name or address for these reports; empty for the address that the caller called from."""


@dataclass(frozen=True, kw_only=True)
class Dicom:
    """The DICOM receiver: C-ECHO, C-STORE and storage commitment."""

    ae_title: AETitle = "AINODE"
    """AE title of this node, as receiver and as sender."""
    host: Host = "127.0.0.1"
    """Address to listen on; `"0.0.0.0"` for all interfaces, together with `[[dicom.caller]]` entries."""
    port: Port = 11112
    """TCP port to listen on."""
    tls_port: Annotated[int, kinds.whole(0, 65535)] = 0
    """TCP port to listen on with TLS, beside `port`; 0 for none."""
    tls_certificate: OptionalFile = None
    """PEM file with this node's certificate for `tls_port`. A new file is used from the next connection on."""
    tls_key: OptionalFile = None
    """PEM file with the key of the certificate, without passphrase; empty when `tls_certificate` holds it too."""
    tls_ca: OptionalFile = None
    """PEM file with the authorities that must have signed the certificates of callers; empty to ask for none."""
    max_associations: Annotated[int, kinds.whole(1, 1000)] = 20
    """Associations that may be open at once; more are rejected as transient (PS3.8 9.3.4)."""
    max_pdu: Annotated[int, kinds.whole(0, 4_294_967_295, " of bytes")] = 131072
    """Longest PDU that this node accepts, bytes; 0 for no limit (PS3.8 D.1)."""
    network_timeout: Seconds = 60.0
    """Seconds of silence after which an association is aborted."""
    acse_timeout: Seconds = 30.0
    """Seconds to wait for an association to be negotiated or released."""
    dimse_timeout: Seconds = 30.0
    """Seconds to wait for the rest of a DIMSE message."""
    accept_unknown: Annotated[bool, kinds.flag()] = False
    """Whether to store SOP classes that neither the standard nor `accept_private_sop_classes` lists."""
    accept_private_sop_classes: Annotated[tuple[str, ...], kinds.uids()] = ()
    """Private SOP class UIDs to store, beside all storage classes of the standard."""
    caller: tuple[Caller, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long studies and their results stay on this node. Without any of these, for ever."""

    days: Annotated[float, kinds.number(0, 36_500, "days")] = 0.0
    """Days that a study stays after its last image, run or delivery; 0 for ever. Set it only where another archive
    keeps the images."""
    make_room_bytes: Annotated[int, kinds.whole(0, 10**15, " of bytes")] = 0
    """When fewer bytes are free, the oldest finished studies are deleted before their time; 0 for never. A fifth above
    the mark of `[spool]` at least."""
    make_room_percent: Annotated[float, kinds.number(0, 90, "percent")] = 0.0
    """The same in percent of the disk."""
    committed_days: Annotated[float, kinds.number(0, 36_500, "days")] = 0.0
    """Days that an instance stays, whatever else, after its sender asked for storage commitment; 0 for ever."""


@dataclass(frozen=True, kw_only=True)
class Web:
    """The HTTP server: FHIR, DICOMweb, health and metrics."""

    host: Host = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8080
    """TCP port to listen on."""
    unprotected: Annotated[bool, kinds.flag()] = False
    """Whether to listen on an address other than this machine's own, although this version speaks no TLS, and only FHIR
    and REST ask who calls. Set it where something in front does both."""
    public_url: Annotated[str, kinds.web_url(optional=True)] = ""
    """Address of this server as its clients see it, for links in FHIR and DICOMweb; empty for `http://host:port`."""


@dataclass(frozen=True, kw_only=True)
class Dicomweb:
    """DICOMweb, for peers that speak nothing else, and the upload of files; see dicomweb.md."""

    enabled: Annotated[bool, kinds.flag()] = False
    """Whether to serve `/dicom-web` and `/upload`. Nobody is asked who they are: who reaches `web.port` can read and
    store all images."""
    max_object: Annotated[int, kinds.whole(1, 1 << 50, " of bytes")] = 4_294_967_296
    """Largest object, bytes."""
    max_upload: Annotated[int, kinds.whole(1, 1 << 50, " of bytes")] = 17_179_869_184
    """Largest zip or NIfTI file, bytes."""
    max_stores: Annotated[int, kinds.whole(1, 100)] = 8
    """Requests that may store at once; more are answered 503."""
    silence: Seconds = 60.0
    """Seconds after which a sender that sends nothing is given up."""


@dataclass(frozen=True, kw_only=True)
class Alias:
    """Another name of a model in the addresses of the REST interface, for clients of an earlier service."""

    name: Annotated[str, kinds.text("1 to 64 letters, digits, -, _ and .", r"[A-Za-z0-9_.-]{1,64}")]
    """The name in the address, for example `nnUNet`."""
    model: Annotated[str, kinds.text("name or name@version of a model package", r"[a-z0-9-]+(@\d+\.\d+\.\d+)?")]
    """The model, for example `brain-tumour-demo` or `brain-tumour-demo@1.0.0`."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """The REST interface `/api/v1`: files in, predictions out, nothing delivered; see rest.md."""

    enabled: Annotated[bool, kinds.flag()] = False
    """Whether to serve `/api/v1`."""
    keys: Annotated[str, kinds.choice("auto", "required")] = "auto"
    """Who must show a key of `ainode keys add`: with `"auto"` everybody as soon as there is a key, be it for FHIR, or
    when `web.host` is not this machine's own address; `"required"` for always, as behind a proxy on this machine."""
    rate: Annotated[int, kinds.whole(0, 1_000_000, " of requests")] = 600
    """Requests a minute for each key and each address; more are answered 429. 0 for no limit. Also how many refusals a
    minute FHIR explains to one address, and records."""
    max_upload: Annotated[int, kinds.whole(1, 1 << 50, " of bytes")] = 2_147_483_648
    """Largest body of a request, bytes."""
    max_inflated: Annotated[int, kinds.whole(1, 1 << 50, " of bytes")] = 4_294_967_296
    """Largest NIfTI file without its gzip, and largest file in a zip, bytes."""
    max_uploads: Annotated[int, kinds.whole(1, 1000)] = 40
    """Requests that may send files at once; more are answered 503."""
    max_waiting: Annotated[int, kinds.whole(1, 100_000)] = 200
    """Predictions that may wait for a model; more are answered 503."""
    silence: Seconds = 60.0
    """Seconds after which a client that sends nothing more is given up."""
    keep: Seconds = 3600.0
    """Seconds that a result, and what is said of its job, can be fetched; the same input is not predicted again in that
    time."""
    cache_bytes: Annotated[int, kinds.whole(0, 1 << 50, " of bytes")] = 1_073_741_824
    """Bytes of results that are kept; beyond it those used longest ago leave before their time, but for the last."""
    alias: tuple[Alias, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Spool:
    """Where received instances wait. Below either mark new objects are refused until there is room again."""

    min_free_bytes: Annotated[int, kinds.whole(0, 10**15, " of bytes")] = 2_000_000_000
    """Bytes of the disk to keep free, for the journal, for runs and for what is being received; 0 for no mark."""
    min_free_percent: Annotated[float, kinds.number(0, 90, "percent")] = 5.0
    """Percent of the disk to keep free; 0 for no mark."""
    stock: Annotated[int, kinds.whole(0, 100_000, " of files")] = 1024
    """Files of 1 MiB that are made beforehand, for objects up to that size, which are safe twice as fast in them; at
    most a tenth of the free room is used so, and a stream of more objects goes on without."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where the journal and the workflows are kept."""

    url: Annotated[DatabaseUrl, kinds.database_url()] = NO_DATABASE_URL
    """The node's own tables; empty for SQLite inside `node.folder`."""
    workflow_url: Annotated[DatabaseUrl, kinds.database_url()] = NO_DATABASE_URL
    """The tables of DBOS, which resumes runs after a crash; empty for SQLite inside `node.folder`."""


@dataclass(frozen=True, kw_only=True)
class Complete:
    """When a study is complete."""

    quiet: Seconds = 5.0
    """Seconds without a new instance after which a study is complete, where no archive can be asked."""
    archive_check_interval: Seconds = 2.0
    """Seconds between two questions to the archive about how many instances a study has."""
    same_uid: Annotated[str, kinds.choice("newest", "first")] = "newest"
    """Which of several different objects with one SOP Instance UID is used: `"newest"`, so that a study that is sent
    again with corrected patient data is analysed again, or `"first"`. All are kept, and `ainode runs` lists them."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Routing rules."""

    file: File = Path("rules.toml")
    """The rules file; see rules.md."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """Model packages and how they run."""

    folder: File = Path("models")
    """Folder with one folder for each model package."""
    device: Annotated[Device, kinds.choice(*get_args(Device))] = "auto"
    """Where models run; `"auto"` takes the GPU when there is one."""
    timeout: Seconds = 3600.0
    """Seconds after which a run is stopped and counts as failed."""
    processes: Annotated[int, kinds.whole(0, 64)] = 0
    """Models that work side by side, each in a process of its own; 0 for one on a machine without a GPU, where
    inference uses all cores, and for two on one with."""
    memory: Annotated[float, kinds.memory()] = 0.7
    """Memory that all these processes may hold, of the machine and of the GPU, each by itself. When a model must be
    loaded and there is less, the one that was not used for longest ends."""
    idle: Seconds = 600.0
    """Seconds without work after which the process of a model ends, and its memory is free."""


@dataclass(frozen=True, kw_only=True)
class Deliver:
    """How deliveries are tried again. The waiting time doubles from `first_retry` to `max_retry`."""

    first_retry: Seconds = 2.0
    """Seconds before the second try."""
    max_retry: Seconds = 3600.0
    """Longest time between two tries, seconds."""
    give_up_after: Seconds = 604800.0
    """Seconds after which a delivery is set aside, with its reason, until someone replays it."""


@dataclass(frozen=True, kw_only=True)
class FhirClient:
    """A program that gets access tokens for FHIR by SMART Backend Services; see fhir.md."""

    id: Annotated[str, kinds.text("1 to 128 letters, digits and _.:/-", r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}")]
    """Its client id, the `iss` and `sub` of its assertions."""
    scopes: Annotated[str, kinds.text('scopes such as "system/*.rs", parted by blanks')]
    """The most that it may get: `system/TYPE.rs`, `.r` (read) or `.s` (search); `*` for every type but AuditEvent."""
    jwks: OptionalFile = None
    """File with its public keys, a JWK Set; a changed file counts at once."""
    jwks_url: Annotated[str, kinds.web_url(optional=True)] = ""
    """Address of its public keys, instead of `jwks`; https, or http on this machine."""
    patients: Annotated[tuple[str, ...], kinds.identifiers()] = ()
    """Identifiers, `"system|value"`, of the patients that it is limited to, as FHIR has them; none for no limit."""
    patients_file: OptionalFile = None
    """File with these instead, one a line. A changed file counts at once; an empty one lets it see nobody."""
    address: Annotated[str, kinds.network(optional=True)] = ""
    """Address, or network, that it must come from; empty for any. Behind a proxy on another machine all come from the
    proxy."""


@dataclass(frozen=True, kw_only=True)
class Fhir:
    """What the FHIR resources say, and who may read them."""

    access: Annotated[FhirAccess, kinds.choice(*get_args(FhirAccess))] = "auto"
    """Who must show an access token or a key: with `"auto"` everybody as soon as there is a `[[fhir.client]]` or a key
    of `ainode keys add`, or when `web.host` is not this machine's own address; `"required"` for always, as behind a
    proxy on this machine; `"open"` for nobody, where something in front asks."""
    audit_days: Annotated[float, kinds.number(0, 36_500, "days")] = 365.0
    """Days that the record of each access to FHIR (AuditEvent) is kept; 0 for ever."""
    report_status: Annotated[ReportStatus, kinds.choice(*get_args(ReportStatus))] = "partial"
    """`DiagnosticReport.status` of a result that nobody has verified. R4 means `partial` for unverified
    data; `preliminary` is for EHRs that look only for that."""
    reviewed_status: Annotated[ReviewedStatus, kinds.choice(*get_args(ReviewedStatus))] = "final"
    """What `DiagnosticReport.status`, and that of its Observations, becomes when a human accepts a result: `"final"`,
    or `"unchanged"` where only reports that the radiologist's own system writes are to be final."""
    patient_identifier_system: Annotated[str, kinds.uri()] = "https://example.org/patient-id"
    """`Identifier.system` of the Patient ID (0010,0020); set the URI that the EHR uses."""
    accession_identifier_system: Annotated[str, kinds.uri()] = "https://example.org/accession-number"
    """`Identifier.system` of the Accession Number (0008,0050); set the URI that the EHR uses."""
    wado_url: Annotated[str, kinds.web_url(optional=True)] = ""
    """Base URL of WADO-RS where those who read FHIR can fetch images and results, for `Endpoint`. Empty for the one
    `[[archive]]` that results are delivered to, unless its address is of use on this machine alone: then none is
    named."""
    subscription_hosts: Annotated[tuple[str, ...], kinds.hosts()] = ()
    """Hosts that notifications of Subscriptions may go to, such as `["ehr.hospital.example"]`; without any, nobody can
    subscribe. By https alone, but for this machine's own addresses."""
    client: tuple[FhirClient, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OrderSender:
    """Who may send orders. Without any such entry, only programs on this machine may."""

    address: Annotated[str, kinds.network()]
    """Address, or network, that the connection comes from."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """The receiver of orders: HL7 v2 over MLLP; see hl7v2.md."""

    host: Host = "127.0.0.1"
    """Address to listen on; `"0.0.0.0"` for all interfaces, together with `[[orders.sender]]` entries."""
    port: Annotated[int, kinds.whole(0, 65535)] = 0
    """TCP port to listen on; 0 for none."""
    tls_certificate: OptionalFile = None
    """PEM file with this node's certificate; with it the port speaks TLS alone. A new file is used from the next
    connection on."""
    tls_key: OptionalFile = None
    """PEM file with the key of the certificate, without passphrase; empty when `tls_certificate` holds it too."""
    tls_ca: OptionalFile = None
    """PEM file with the authorities that must have signed the certificates of senders; empty to ask for none. Read
    at the start."""
    max_connections: Annotated[int, kinds.whole(1, 1000)] = 20
    """Connections that may be open at once; more are closed."""
    max_message: Annotated[int, kinds.whole(1024, 1 << 26, " of bytes")] = 1_048_576
    """Largest message, bytes; a larger one is answered AR."""
    patience: Seconds = 30.0
    """Seconds that one message may take to come."""
    silence: Seconds = 3600.0
    """Seconds without a message after which a connection is closed."""
    days: Annotated[float, kinds.number(0, 36_500, "days")] = 90.0
    """Days that an order is kept after its last message; 0 for ever. What FHIR serves of it stays."""
    sender: tuple[OrderSender, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Log:
    """The log, on standard output."""

    level: Annotated[LogLevel, kinds.choice(*get_args(LogLevel))] = "info"
    """The least severe message that is written."""
    format: Annotated[LogFormat, kinds.choice(*get_args(LogFormat))] = "auto"
    """`"auto"` writes for people on a terminal and JSON, one object a line, everywhere else."""
