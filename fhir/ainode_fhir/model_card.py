"""DocumentReference of a model's card, what its makers say of it: profile AI-ModelCard of HL7 AI Transparency.

It is about no patient and asserted by no model, so it has neither a subject nor the label AIAST. The model's Device and
the Provenance of each result refer to it.
"""

import base64
import hashlib

from fhir.resources.R4B.documentreference import DocumentReference

from ainode_fhir.datatypes import OWN_SYSTEM, Json, reference, resource_id
from ainode_models.findings import Algorithm

CARD_EXTENSION = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/aitransparency.modelCardDescription"
_CODES = "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIinputsCS"


def card_reference(algorithm: Algorithm) -> Json:
    """Reference to the card of a model that has one."""
    return reference("DocumentReference", _card_id(algorithm), f"Model card of {algorithm.name} {algorithm.version}")


def model_card(algorithm: Algorithm, card: str) -> DocumentReference:
    """``card``, in Markdown, of the version of the model that ran: its id follows from the model's UID alone."""
    content = card.encode()
    digest = hashlib.sha1(content, usedforsecurity=False).digest()  # R4 wants this one
    identity, title = _card_id(algorithm), f"{algorithm.name} {algorithm.version}"
    return DocumentReference.model_validate(
        {
            "id": identity,
            "identifier": [{"system": OWN_SYSTEM, "value": identity}],
            "status": "current",
            "type": {"coding": [_code("AIModelCard", "AI Model-Card")], "text": "model card"},
            "category": [{"coding": [_code("AIModelCardMarkdownFormat", "Markdown Format")]}],
            "description": f"Model card of {title}",
            "content": [
                {
                    "attachment": {
                        "contentType": "text/markdown",
                        "data": base64.b64encode(content).decode(),
                        "size": len(content),
                        "hash": base64.b64encode(digest).decode(),
                        "title": title,
                    }
                }
            ],
        }
    )


def _code(code: str, display: str) -> Json:
    return {"system": _CODES, "code": code, "display": display}


def _card_id(algorithm: Algorithm) -> str:
    return resource_id("DocumentReference", "model card", algorithm.device_uid)
