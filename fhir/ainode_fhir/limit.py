"""A caller who is limited to certain patients: what they may ask for by name (``compartment`` says what they see)."""

from collections.abc import Iterator
from dataclasses import dataclass

from ainode_fhir.compartment import Compartment
from ainode_fhir.criteria import split_unescaped, unescape
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import SearchParameter
from ainode_fhir.query import Criterion, Query

PATIENTS = "ainode_fhir.patients"
"""Key of the ASGI scope: identifiers that the caller is limited to, set before the server is asked."""
WHY = "ainode_fhir.why"
"""Key of the ASGI scope: a list, to which is added why the caller is refused what there is, for the record alone."""


@dataclass(frozen=True)
class Limit:
    """The patients of one caller."""

    identifiers: tuple[str, ...]
    """``system|value``; none of them need be known here."""
    compartment: Compartment

    def check(self, query: Query, *, base_url: str) -> None:
        """FhirProblem (403) when a search names another patient, whether or not there is one."""
        for criterion in query.criteria:
            for kind, parameter, value in _ends(query.kind, criterion):
                if not self._may_name(kind, parameter, value.removeprefix(f"{base_url}/")):
                    raise FhirProblem(403, "forbidden", "this names a patient whom the caller may not ask for")

    def _may_name(self, kind: str, parameter: SearchParameter, value: str) -> bool:
        if kind == "Patient" and parameter.name == "identifier":
            return self._is_known(value)
        target, _, identity = value.rpartition("/")
        if kind == "Patient" and parameter.name == "_id":
            return value in self.compartment.patients
        if parameter.kind == "reference" and "Patient" in (target, parameter.target) and target in ("Patient", ""):
            return identity in self.compartment.patients
        return True

    def _is_known(self, value: str) -> bool:
        """Whether a token can mean one of the identifiers."""
        *systems, code = (unescape(part) for part in split_unescaped(value, "|"))
        known = [each.rpartition("|") for each in self.identifiers]
        return any(
            (not systems or systems[0] == system) and code in ("", number) and (code or systems) != ""
            for system, _, number in known
        )


def _ends(kind: str, criterion: Criterion) -> Iterator[tuple[str, SearchParameter, str]]:
    """Type, parameter and value that a criterion compares in the end."""
    parameter = criterion.parameter
    if criterion.chain:
        kind, parameter = criterion.reverse or criterion.parameter.target or criterion.modifier or "", criterion.chain
    elif criterion.modifier == "missing":
        return
    elif criterion.modifier == "identifier":
        if "Patient" in (parameter.target, None):
            kind, parameter = "Patient", IDENTIFIER
    elif criterion.modifier == "Patient" or (parameter.kind == "reference" and criterion.modifier):
        parameter = SearchParameter(parameter.name, "reference", parameter.path, "", criterion.modifier)
    for value in criterion.values:
        yield kind, parameter, unescape(value) if parameter.kind == "reference" else value


IDENTIFIER = SearchParameter("identifier", "token", "identifier", "")
"""What a reference's own identifier is, when it refers to a Patient."""
