"""Endpoint: where a study and the results of its runs are fetched (https://hl7.org/fhir/R4/endpoint.html).

IHE IMR wants one for each ImagingStudy. Where the site's address is not known there is none: a wrong one would be
worse.
"""

from fhir.resources.R4B.endpoint import Endpoint

from ainode_fhir.datatypes import OWN_SYSTEM, Json, hl7_coding, hl7_concept, reference, resource_id
from ainode_fhir.organization import organization_reference
from ainode_fhir.site import Site

DICOM = "application/dicom"


def endpoint_reference(site: Site) -> Json | None:
    """Reference to the site's WADO-RS; None where its address is not known."""
    return reference("Endpoint", _endpoint_id(site.wado_url), "WADO-RS") if site.wado_url else None


def endpoint(site: Site) -> Endpoint | None:
    """The site's WADO-RS (PS3.18 10.4); None where its address is not known."""
    if not site.wado_url:
        return None
    identity = _endpoint_id(site.wado_url)
    return Endpoint.model_validate(
        {
            "id": identity,
            "identifier": [{"system": OWN_SYSTEM, "value": identity}],
            "status": "active",
            "connectionType": hl7_coding("endpoint-connection-type", "dicom-wado-rs", "DICOM WADO-RS"),
            "name": "WADO-RS",
            "managingOrganization": organization_reference(site),
            "payloadType": [hl7_concept("endpoint-payload-type", "any", "Any")],
            "payloadMimeType": [DICOM],
            "address": site.wado_url,
        }
    )


def _endpoint_id(address: str) -> str:
    return resource_id("Endpoint", address)
