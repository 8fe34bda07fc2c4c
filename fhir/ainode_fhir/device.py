"""Device: the model, and the node that ran it (https://hl7.org/fhir/R4/device.html).

The model follows the ``AI-Device`` profile of HL7 AI Transparency; the node is its ``parent``, as the algorithm's
equipment is in the HL7 guide "DICOM SR to FHIR".
"""

from fhir.resources.R4B.device import Device

from ainode_fhir.datatypes import OWN_SYSTEM, Json, coding, reference, resource_id, uid_identifier
from ainode_fhir.model_card import CARD_EXTENSION, card_reference
from ainode_fhir.organization import organization_reference
from ainode_fhir.site import Site
from ainode_models.findings import Algorithm


def algorithm_reference(algorithm: Algorithm) -> Json:
    """Reference to the model's Device."""
    return reference("Device", _algorithm_id(algorithm), f"{algorithm.name} {algorithm.version}")


def algorithm_device(algorithm: Algorithm, site: Site, *, card: bool = False) -> Device:
    """The model, identified by the UID that changes with its weights (IHE AIR 6.5.3.1); ``card``: if it has one."""
    extension = {"extension": [{"url": CARD_EXTENSION, "valueReference": card_reference(algorithm)}]} if card else {}
    return Device.model_validate(
        {
            "id": _algorithm_id(algorithm),
            **extension,
            "identifier": [uid_identifier(algorithm.device_uid)],
            "status": "active",
            "manufacturer": algorithm.manufacturer,
            "deviceName": [{"name": algorithm.name, "type": "model-name"}],
            "type": {"coding": [ai_type(), coding(algorithm.family)], "text": "Artificial intelligence"},
            "version": [
                {"type": {"text": "model version"}, "value": algorithm.version},
                {"type": {"text": "SHA-256 of the weights"}, "value": algorithm.weights_sha256},
            ],
            "owner": organization_reference(site),
            "note": [{"text": text} for text in (algorithm.intended_use, algorithm.disclaimer) if text],
            "parent": node_reference(site),
        }
    )


def node_reference(site: Site) -> Json:
    """Reference to the node's Device."""
    return reference("Device", _node_id(site), site.node_name)


def node_device(site: Site) -> Device:
    """The node: the software that received the study, ran the model and wrote the result."""
    identity = _node_id(site)
    return Device.model_validate(
        {
            "id": identity,
            "identifier": [{"system": OWN_SYSTEM, "value": identity}],
            "status": "active",
            "deviceName": [{"name": site.node_name, "type": "user-friendly-name"}],
            "version": [{"value": site.node_version}],
            "owner": organization_reference(site),
        }
    )


def ai_type() -> Json:
    """``Device.type`` that the AI-Device profile fixes."""
    return {
        "system": "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS",
        "code": "Artificial-Intelligence",
        "display": "All kinds of Artificial Intelligence",
    }


def _algorithm_id(algorithm: Algorithm) -> str:
    return resource_id("Device", algorithm.device_uid)


def _node_id(site: Site) -> str:
    return resource_id("Device", "node", site.organization, site.node_name)
