"""Observation of one class of a classifier, and how certain the classifier is.

As with segments that are absent, the ``code`` is the finding and the value says what the model makes of it: present,
absent, or undetermined where a human must decide. A search by code and value meets what it asks for and no negatives.
That a class for normal images is present is no clinical finding, and has other values (CID 240).
"""

from collections.abc import Mapping
from types import MappingProxyType

from ainode_fhir import codes
from ainode_fhir.datatypes import Json, concept, quantity
from ainode_fhir.observation_body import common_body, identifiers
from ainode_fhir.result import Result
from ainode_models.findings import ClassFinding, Code, Decision, Findings

_VALUES: Mapping[Decision, tuple[Code, str]] = MappingProxyType(
    {
        Decision.PRESENT: (codes.CLINICAL_FINDING_PRESENT, "Found by this algorithm"),
        Decision.ABSENT: (codes.CLINICAL_FINDING_ABSENT, "Looked for and not found by this algorithm"),
        Decision.UNCERTAIN: (codes.UNDETERMINED, "This algorithm does not decide; a human must"),
    }
)
_OF_NORMAL: Mapping[Decision, tuple[Code, str]] = MappingProxyType(
    {
        Decision.PRESENT: (codes.PRESENT, "Taken for this by the algorithm; no finding"),
        Decision.ABSENT: (codes.ABSENT, "Not taken for this by the algorithm"),
        Decision.UNCERTAIN: _VALUES[Decision.UNCERTAIN],
    }
)


def class_name(item: ClassFinding) -> str:
    """Name of the class's Observation among those of its run."""
    return f"{item.number} class"


def class_observation(result: Result, item: ClassFinding) -> Json:
    """The class with its decision, and as components its probability and that of each net of an ensemble."""
    members = (
        _component(Code(name, "99AINODE", f"Probability by {name}"), share) for name, share in item.members.items()
    )
    return {
        **common_body(result, class_name(item), concept(item.type, item.label)),
        "identifier": identifiers(result, item),
        "valueCodeableConcept": concept(*(_OF_NORMAL if item.normal else _VALUES)[item.decision]),
        "bodySite": concept(item.anatomy),
        "component": [_component(codes.PROBABILITY, item.probability), *members],
    }


def certainty_components(findings: Findings) -> list[Json]:
    """Components of the summary: certainty of the best class, its margin, and how much several nets differ."""
    agreement = findings.agreement
    if agreement is None:
        return []
    components = [_component(codes.CERTAINTY, agreement.confidence), _component(codes.MARGIN, agreement.margin)]
    if any(item.members for item in findings.classes):
        components.append(_component(codes.DISAGREEMENT, agreement.disagreement))
    return components


def _component(code: Code, share: float) -> Json:
    return {"code": concept(code), "valueQuantity": quantity(100 * share, "%")}
