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
    """The errors of a server's OperationOutcome in one line of at most 500 characters; empty when it is none."""
    issues = body.get("issue", []) if body.get("resourceType") == "OperationOutcome" else []
    errors = [issue for issue in issues if issue.get("severity") in ("error", "fatal")]
    return "; ".join(filter(None, map(_issue_text, errors)))[:500]


def _issue_text(issue: Json) -> str:
    text: str = issue.get("details", {}).get("text") or issue.get("diagnostics") or issue.get("code", "")
    return text
