"""What settings ask of each other: names that must exist, fields that must come together."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from ainode.settings.peers import REPORT_KINDS, Archive, Credentials, Destination
from ainode.settings.reader import LoadedSettings
from ainode.settings.sections import FhirClient
from ainode.spelling import allowed_hint
from ainode.toml_lines import KeyPath
from ainode_fhir.smart.scope import checked_scopes
from ainode_models.errors import ConfigError

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "stow": ("archive",),
    "cstore": ("ae_title", "host", "port"),
    "fhir": ("url",),
    "hl7v2": ("host", "port"),
}
_TLS = ("client_certificate", "client_key", "client_key_password", "ca_file")
_LOGIN = ("username", "password", "token", *_TLS)
_OAUTH = (
    "oauth_client_id",
    "oauth_key",
    "oauth_key_password",
    "oauth_key_id",
    "oauth_secret",
    "oauth_token_url",
)
_HL7 = ("hl7_sending_facility", "hl7_receiving_application", "hl7_receiving_facility")
_TAKES: Mapping[str, tuple[str, ...]] = {
    "stow": ("archive",),
    "cstore": ("ae_title", "host", "port", "query_ae_title", "archive"),
    "fhir": ("url", *_LOGIN, *_OAUTH),
    "hl7v2": ("host", "port", "tls", *_HL7, *_TLS),
}
LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Addresses of this machine that nobody else reaches."""


def check_agreement(loaded: LoadedSettings) -> None:
    """Raise ``SettingsError``, with file and line, on the first fields that contradict each other."""
    _check_deliver(loaded)
    _check_dicom(loaded)
    _check_web(loaded)
    _check_api(loaded)
    _check_orders(loaded)
    for index, client in enumerate(loaded.settings.fhir.client):
        _check_client(loaded, ("fhir", "client", index), client)
    for index, archive in enumerate(loaded.settings.archive):
        _check_archive(loaded, ("archive", index), archive)
    for index, destination in enumerate(loaded.settings.destination):
        _check_destination(loaded, ("destination", index), destination)


def _check_deliver(loaded: LoadedSettings) -> None:
    deliver = loaded.settings.deliver
    if deliver.max_retry < deliver.first_retry:
        raise loaded.refusal(
            ("deliver", "max_retry"),
            f"is below first_retry, {deliver.first_retry:g} s; allowed: that or more",
        )


def _check_dicom(loaded: LoadedSettings) -> None:
    dicom = loaded.settings.dicom
    for index, caller in enumerate(dicom.caller):
        if caller.host and not caller.port:
            raise loaded.refusal(("dicom", "caller", index, "port"), "is missing; host and port come together")
    if dicom.tls_port and not dicom.tls_certificate:
        raise loaded.refusal(("dicom", "tls_certificate"), "is missing; tls_port needs it")
    if dicom.tls_port == dicom.port:
        raise loaded.refusal(("dicom", "tls_port"), "is the same as port; choose another")
    for key in ("tls_certificate", "tls_key", "tls_ca"):
        if getattr(dicom, key) and not dicom.tls_port:
            raise loaded.refusal(("dicom", "tls_port"), f"is missing; {key} belongs to it")


def _check_web(loaded: LoadedSettings) -> None:
    web = loaded.settings.web
    if not web.unprotected and web.host not in LOOPBACK:
        raise loaded.refusal(
            ("web", "host"),
            f"{web.host!r} lets others in without TLS, and only FHIR and REST ask who they are; allowed: "
            f"{', '.join(LOOPBACK)}, or any with unprotected = true, behind something that does both",
        )


def _check_api(loaded: LoadedSettings) -> None:
    names = [alias.name for alias in loaded.settings.api.alias]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise loaded.refusal(("api", "alias", index, "name"), f"{name!r} is there twice; choose another")


def _check_orders(loaded: LoadedSettings) -> None:
    orders = loaded.settings.orders
    for key in ("tls_key", "tls_ca"):
        if getattr(orders, key) and not orders.tls_certificate:
            raise loaded.refusal(("orders", "tls_certificate"), f"is missing; {key} belongs to it")


def _check_client(loaded: LoadedSettings, path: KeyPath, client: FhirClient) -> None:
    if [each.id for each in loaded.settings.fhir.client].count(client.id) > 1:
        raise loaded.refusal((*path, "id"), f"{client.id!r} is there twice; choose another")
    if bool(client.jwks) == bool(client.jwks_url):
        raise loaded.refusal((*path, "jwks"), "choose one: a file jwks, or the address jwks_url")
    if client.patients and client.patients_file:
        raise loaded.refusal((*path, "patients"), "choose one: patients here, or patients_file")
    url = urlsplit(client.jwks_url)
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        raise loaded.refusal((*path, "jwks_url"), "must be https: who changes the keys on their way becomes the client")
    try:
        checked_scopes(client.scopes)
    except ConfigError as exc:
        raise loaded.refusal((*path, "scopes"), str(exc)) from exc


def _check_archive(loaded: LoadedSettings, path: KeyPath, archive: Archive) -> None:
    _check_credentials(loaded, path, archive)
    if archive.follow and not archive.orthanc:
        raise loaded.refusal((*path, "follow"), "needs the field orthanc, the root URL of its REST interface")


def _check_destination(loaded: LoadedSettings, path: KeyPath, destination: Destination) -> None:
    kind = destination.kind
    for key in _NEEDS[kind]:
        if not getattr(destination, key):
            raise loaded.refusal((*path, key), f'is missing; kind "{kind}" needs {", ".join(_NEEDS[kind])}')
    allowed = _TAKES[kind]
    for key in ("archive", "url", "ae_title", "host", "port", "query_ae_title", "tls", *_HL7, *_LOGIN, *_OAUTH):
        if getattr(destination, key) and key not in allowed:
            reason = "; log in with the fields of its [[archive]]" if kind == "stow" and key in _LOGIN else ""
            raise loaded.refusal(
                (*path, key), f'is not for kind "{kind}"{reason}; allowed: name, kind, {", ".join(allowed)}'
            )
    if kind in REPORT_KINDS and destination.segmentation != "binary":
        raise loaded.refusal((*path, "segmentation"), f'is not for kind "{kind}", which gets no segmentations')
    if kind == "hl7v2" and not destination.tls and any(getattr(destination, key) for key in _TLS):
        raise loaded.refusal((*path, "tls"), "is missing; certificates and keys belong to it")
    if kind != "fhir" and destination.registered:
        raise loaded.refusal((*path, "registered"), f'is not for kind "{kind}", which gets no FHIR of runs under way')
    archives = [archive.name for archive in loaded.settings.archive]
    if destination.archive and destination.archive not in archives:
        hint = allowed_hint(destination.archive, archives)
        raise loaded.refusal((*path, "archive"), f"no [[archive]] is called {destination.archive!r}; {hint}")
    _check_credentials(loaded, path, destination)
    _check_oauth(loaded, path, destination)


def _check_oauth(loaded: LoadedSettings, path: KeyPath, peer: Destination) -> None:
    given = [key for key in _OAUTH if getattr(peer, key)]
    if not given:
        return
    if not peer.oauth_client_id:
        raise loaded.refusal((*path, "oauth_client_id"), f"is missing; {given[0]} belongs to it")
    if bool(peer.oauth_key) == bool(peer.oauth_secret):
        raise loaded.refusal((*path, "oauth_key"), "choose one: oauth_key or oauth_secret")
    if not peer.oauth_key and (peer.oauth_key_id or peer.oauth_key_password):
        raise loaded.refusal((*path, "oauth_key"), "is missing; oauth_key_id and oauth_key_password belong to it")
    if peer.token or peer.username:
        other = "token" if peer.token else "username"
        raise loaded.refusal((*path, other), "choose one way to log in: oauth_client_id gets its own tokens")


def _check_credentials(loaded: LoadedSettings, path: KeyPath, peer: Credentials) -> None:
    if bool(peer.username) != bool(peer.password):
        missing = "password" if peer.username else "username"
        raise loaded.refusal((*path, missing), "is missing; username and password come together")
    if peer.token and peer.username:
        raise loaded.refusal((*path, "token"), "choose one: a token, or username and password")
    if peer.client_key and not peer.client_certificate:
        raise loaded.refusal((*path, "client_certificate"), "is missing; client_key belongs to a certificate")
    if peer.client_key_password and not peer.client_certificate:
        raise loaded.refusal(
            (*path, "client_certificate"), "is missing; client_key_password is the passphrase of its key"
        )
