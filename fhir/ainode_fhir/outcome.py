"""OperationOutcome, and the problems that become one (https://hl7.org/fhir/R4/operationoutcome.html)."""

from typing import Literal

from fhir.resources.R4B.operationoutcome import OperationOutcome

from ainode_fhir.datatypes import Json
from ainode_models.errors import AinodeError

Severity = Literal["error", "warning"]


class FhirProblem(AinodeError):  # noqa: N818 - reads as what it becomes
    """A request that the FHIR side answers with an HTTP status and an OperationOutcome.

    ``code`` is an issue type of https://hl7.org/fhir/R4/valueset-issue-type.html.
    """

    def __init__(self, status: int, code: str, diagnostics: str) -> None:
        super().__init__(diagnostics)
        self.status = status
        self.code = code


def outcome(code: str, diagnostics: str, *, severity: Severity = "error") -> Json:
    """OperationOutcome of one issue."""
    issue = {"severity": severity, "code": code, "diagnostics": diagnostics}
    body: Json = OperationOutcome.model_validate({"issue": [issue]}).model_dump(mode="json")
    return body


def outcome_text(body: Json) -> str:
    """The issues of a server's OperationOutcome in one line; empty when it is none."""
    issues = body.get("issue", []) if body.get("resourceType") == "OperationOutcome" else []
    texts = (
        issue.get("diagnostics") or issue.get("details", {}).get("text") or issue.get("code", "") for issue in issues
    )
    return "; ".join(text for text in texts if text)
