"""The resources of one run as one transaction (https://hl7.org/fhir/R4/http.html#transaction).

For the node's own store the entries are PUTs to ids that derive from the run, so that writing again changes nothing.
``conditional_creates`` turns them into what an EHR takes, which gives ids itself: POSTs with ``ifNoneExist`` on our
identifiers, linked by ``urn:uuid``. What the EHR already has is left as it is, the reviewed report above all.
"""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from ainode_fhir.datatypes import RUN_SYSTEM, Json
from ainode_fhir.device import algorithm_device, algorithm_reference, node_device
from ainode_fhir.diagnostic_report import diagnostic_report
from ainode_fhir.document import documents
from ainode_fhir.endpoint import endpoint
from ainode_fhir.imaging_study import imaging_study
from ainode_fhir.model_card import model_card
from ainode_fhir.observation import observations
from ainode_fhir.organization import organization
from ainode_fhir.patient import patient
from ainode_fhir.provenance import provenance
from ainode_fhir.result import Result
from ainode_fhir.result_series import result_series
from ainode_fhir.service_request import service_request
from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext, ResultObject
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings

WITHDRAWN = "entered-in-error"
CHANGEABLE = ("DiagnosticReport", "Observation")
"""What a withdrawal or a review changes."""
OUTDATED = "superseded"
"""What a withdrawn result makes of its documents, in R4's words for them."""


def report_bundle(
    findings: Findings,
    context: ImagingContext,
    objects: tuple[ResultObject, ...],
    *,
    site: Site,
    issued: datetime | None = None,
    replaces: str | None = None,
    page: bytes | None = None,
    card: str | None = None,
) -> Bundle:
    """All resources of one run, for ``ResourceStore.apply`` and ``FhirDestination.push``; raises EncodingError.

    ``issued`` (with zone) is when the result was made available, the start of the analysis unless given; ``replaces``
    is the run id of the earlier run that this one supersedes; ``page`` is the report as PDF, which then goes along, and
    ``card`` the model's card in Markdown. The same arguments give the same JSON.
    """
    result = Result(
        findings=findings,
        context=context,
        objects=objects,
        site=site,
        issued=issued or findings.started_at,
        replaces=replaces,
        page=page,
        card=card,
    )
    try:
        return transaction(_resources(result), base_url=site.base_url)
    except ValidationError as exc:
        fields = ", ".join(".".join(map(str, error["loc"])) for error in exc.errors())
        raise EncodingError(f"run {findings.run_id} does not make valid FHIR R4: {fields}") from exc


def transaction(resources: list[Json], *, base_url: str, only_new: bool = False) -> Bundle:
    """Transaction that puts each resource where it belongs below ``base_url``; ``only_new`` leaves what is there."""
    condition = {"ifNoneMatch": "*"} if only_new else {}
    entries = [_put(body, base_url, **condition) for body in resources]
    return Bundle.model_validate({"type": "transaction", "entry": entries})


def conditional_creates(bundle: Bundle, *, change: bool = False, without: tuple[str, ...] = ()) -> Json:
    """The same transaction for a server that gives ids itself.

    Types in ``without`` stay at home: references to them keep their identifier alone. A withdrawn report,
    Observation or document is a conditional update instead, as it must change what the server has; with ``change``
    each of them is.
    """
    every = [entry["resource"] for entry in as_json(bundle)["entry"]]
    resources = [_logical(body, without) for body in every if body["resourceType"] not in without]
    urns = {f"{body['resourceType']}/{body['id']}": f"urn:uuid:{body['id']}" for body in resources}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [_conditional(body, urns, change=change) for body in resources],
    }


def as_json(resource: Any) -> Json:
    """A resource of ``fhir.resources`` as plain JSON values."""
    body: Json = resource.model_dump(mode="json")
    return body


def search_key(body: Json) -> str:
    """Search that finds a resource on any server: by its first identifier, or by its run id where R4 has none."""
    if body["resourceType"] == "Provenance":
        return f"_tag={_token(RUN_SYSTEM, body['meta']['tag'][0]['code'])}"
    identifier = body["identifier"][0]
    return f"identifier={_token(identifier.get('system', ''), identifier['value'])}"


def _resources(result: Result) -> list[Json]:
    context, site = result.context, result.site
    resources = (
        organization(site),
        node_device(site),
        model_card(result.findings.algorithm, result.card) if result.card else None,
        algorithm_device(result.findings.algorithm, site, card=bool(result.card)),
        patient(context, site),
        service_request(context, site),
        endpoint(site),
        imaging_study(context, site, result_series(result.objects, algorithm_reference(result.findings.algorithm))),
        *observations(result),
        diagnostic_report(result),
        *documents(result),
        provenance(result),
    )
    return [as_json(resource) for resource in resources if resource]


def _may_change(body: Json) -> bool:
    """Whether a review may make something else of it."""
    return body["resourceType"] in CHANGEABLE or (body["resourceType"] == "DocumentReference" and "context" in body)


def _put(body: Json, base_url: str, **condition: str) -> Json:
    location = f"{body['resourceType']}/{body['id']}"
    return {
        "fullUrl": f"{base_url}/{location}",
        "resource": body,
        "request": {"method": "PUT", "url": location, **condition},
    }


def _conditional(body: Json, urns: dict[str, str], *, change: bool) -> Json:
    kind, key = body["resourceType"], search_key(body)
    linked: Json = _relink({name: value for name, value in body.items() if name != "id"}, urns)
    update = body.get("status") in (WITHDRAWN, OUTDATED) or (change and _may_change(body))
    request = (
        {"method": "PUT", "url": f"{kind}?{key}"} if update else {"method": "POST", "url": kind, "ifNoneExist": key}
    )
    return {"fullUrl": f"urn:uuid:{body['id']}", "resource": linked, "request": request}


def _relink(value: Any, urns: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_relink(item, urns) for item in value]
    if isinstance(value, dict):
        return {key: urns.get(item, item) if key == "reference" else _relink(item, urns) for key, item in value.items()}
    return value


def _logical(value: Any, kinds: tuple[str, ...]) -> Any:
    """``value`` whose references to ``kinds`` are by identifier."""
    if isinstance(value, list):
        return [_logical(item, kinds) for item in value]
    if not isinstance(value, dict):
        return value
    away = str(value.get("reference", "")).startswith(tuple(f"{kind}/" for kind in kinds))
    return {key: _logical(item, kinds) for key, item in value.items() if not (away and key == "reference")}


def _token(system: str, value: str) -> str:
    """``system|value`` of a search, escaped; an empty system asks for identifiers without one, never for any."""
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")
    return quote(f"{system}|{escaped}", safe="")
