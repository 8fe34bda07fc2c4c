"""All settings of the node in one object."""

from dataclasses import dataclass, field

from ainode.settings.peers import Archive, Destination
from ainode.settings.sections import (
    Api,
    Complete,
    Database,
    Deliver,
    Dicom,
    Dicomweb,
    Fhir,
    Log,
    Models,
    Node,
    Orders,
    Retention,
    Rules,
    Spool,
    Web,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, checked; fields are named as in the file."""

    node: Node = field(default_factory=Node)
    dicom: Dicom = field(default_factory=Dicom)
    spool: Spool = field(default_factory=Spool)
    retention: Retention = field(default_factory=Retention)
    web: Web = field(default_factory=Web)
    dicomweb: Dicomweb = field(default_factory=Dicomweb)
    api: Api = field(default_factory=Api)
    database: Database = field(default_factory=Database)
    complete: Complete = field(default_factory=Complete)
    rules: Rules = field(default_factory=Rules)
    models: Models = field(default_factory=Models)
    archive: tuple[Archive, ...] = ()
    destination: tuple[Destination, ...] = ()
    deliver: Deliver = field(default_factory=Deliver)
    fhir: Fhir = field(default_factory=Fhir)
    orders: Orders = field(default_factory=Orders)
    log: Log = field(default_factory=Log)
