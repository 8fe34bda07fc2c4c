"""The settings of the node: one frozen object, read once, from one TOML file and the environment."""

from collections.abc import Mapping
from pathlib import Path

from ainode.settings.agreement import check_agreement
from ainode.settings.peers import REPORT_KINDS, Archive, Credentials, Destination
from ainode.settings.reader import LoadedSettings, read_settings
from ainode.settings.secret import DatabaseUrl, Secret
from ainode.settings.sections import (
    Alias,
    Api,
    Caller,
    Complete,
    Database,
    Deliver,
    Dicom,
    Dicomweb,
    Fhir,
    FhirClient,
    Log,
    Models,
    Node,
    Orders,
    OrderSender,
    Retention,
    Rules,
    Spool,
    Web,
)
from ainode.settings.whole import Settings

__all__ = [
    "REPORT_KINDS",
    "Alias",
    "Api",
    "Archive",
    "Caller",
    "Complete",
    "Credentials",
    "Database",
    "DatabaseUrl",
    "Deliver",
    "Destination",
    "Dicom",
    "Dicomweb",
    "Fhir",
    "FhirClient",
    "LoadedSettings",
    "Log",
    "Models",
    "Node",
    "OrderSender",
    "Orders",
    "Retention",
    "Rules",
    "Secret",
    "Settings",
    "Spool",
    "Web",
    "load_settings",
    "load_settings_with_origins",
]


def load_settings_with_origins(path: Path | None, environ: Mapping[str, str]) -> LoadedSettings:
    """Checked settings, and where each value came from; raises ``SettingsError``."""
    loaded = read_settings(path, environ)
    check_agreement(loaded)
    return loaded


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Checked settings of the file (None: ``ainode.toml``, if there), overridden by ``AINODE_`` variables.

    Raises ``SettingsError`` with file and line, or the variable's name, and what is allowed.
    """
    return load_settings_with_origins(path, environ).settings
