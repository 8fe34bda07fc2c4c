"""Organization: who answers for the reports (https://hl7.org/fhir/R4/organization.html)."""

from fhir.resources.R4B.organization import Organization

from ainode_fhir.datatypes import OWN_SYSTEM, Json, reference, resource_id
from ainode_fhir.site import Site


def organization_reference(site: Site) -> Json:
    """Reference to the site's organization."""
    return reference("Organization", _organization_id(site), site.organization)


def organization(site: Site) -> Organization:
    """The organization that runs the node."""
    identity = _organization_id(site)
    return Organization.model_validate(
        {
            "id": identity,
            "identifier": [{"system": OWN_SYSTEM, "value": identity}],
            "name": site.organization,
        }
    )


def _organization_id(site: Site) -> str:
    return resource_id("Organization", site.organization)
