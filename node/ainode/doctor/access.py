"""Who may ask over HTTP: is anything open that others reach, and are the keys of FHIR's clients there?"""

from collections.abc import Iterator
from pathlib import Path

from ainode.api.keys import ApiKeys
from ainode.doctor import web_peer
from ainode.doctor.finding import Finding, Result, failed, ok, warning
from ainode.fhir_service import asks_everybody
from ainode.settings import Credentials, FhirClient, Settings
from ainode.settings.agreement import LOOPBACK
from ainode_fhir.smart.jwks import FileKeys, keys_of
from ainode_fhir.smart.patients import PatientFile
from ainode_models.errors import ConfigError


def check_access(settings: Settings) -> Iterator[Finding]:
    """FHIR, DICOMweb, and each client of FHIR."""
    outside = settings.web.host not in LOOPBACK
    yield _fhir(settings, outside)
    if settings.dicomweb.enabled and outside:
        advice = "put something in front that asks, or listen on 127.0.0.1"
        yield warning("who may use DICOMweb", f"everybody who reaches {settings.web.host}", advice)
    for client in settings.fhir.client:
        check = f"FHIR client {client.id}"
        yield _file(check, client.jwks) if client.jwks else next(_address(check, client))
        if client.patients_file:
            yield _patients(f"{check}: patients", client.patients_file)


def _fhir(settings: Settings, outside: bool) -> Finding:
    check, clients = "who may read FHIR", len(settings.fhir.client)
    every_key = ApiKeys(settings.node.folder / "api-keys").all()
    keys = sum(bool(key.fhir) for key in every_key)
    if settings.fhir.access == "open":
        advice = "right only where something in front asks; else set [fhir] access"
        found = f"everybody who reaches {settings.web.host}"
        return warning(check, found, advice) if outside else ok(check, f"{found}: [fhir] access is open")
    if asks_everybody(settings) or every_key:
        shown = f"{clients} clients, {keys} keys"
        nobody = "add a [[fhir.client]], or a key: ainode keys add NAME --fhir system/*.rs"
        return ok(check, shown) if clients or keys else warning(check, f"nobody: {shown}", nobody)
    return ok(check, "programs on this machine, as long as there is no key and no client")


def _file(check: str, path: Path) -> Finding:
    try:
        return ok(check, f"{len(FileKeys(path).all())} public keys in {path}")
    except ConfigError as exc:
        return failed(check, str(exc), "put a JWK Set with public keys there")


def _patients(check: str, path: Path) -> Finding:
    try:
        return ok(check, f"limited to {len(PatientFile(path).read())} patients of {path}")
    except ConfigError as exc:
        return failed(check, str(exc), "put the identifiers of the patients there, one a line")


def _address(check: str, client: FhirClient) -> Iterator[Finding]:
    asked = {"question": "", "accept": "application/json"}
    return web_peer.ask(check, client.jwks_url, peer=Credentials(timeout=10.0), reading=_key_set, **asked)


def _key_set(body: object) -> tuple[Result, str, str] | None:
    try:
        keys_of(body)
    except ValueError as exc:
        return Result.FAILED, f"answers with no JWK Set: {exc}", "check the address"
    return None
