"""Two validators from npm: Medplum's, with HL7's definitions and invariants, and Lantana's "fhir"."""

from collections.abc import Sequence

from ainode_conformance.checkers.checker import Problem
from ainode_conformance.checkers.fhir_resources import resources
from ainode_conformance.checkers.packages import Packages
from ainode_conformance.kinds.kind import Made
from ainode_conformance.violation import Severity

_SEVERITIES = {"warning": Severity.WARNING, "information": Severity.NOTE, "info": Severity.NOTE}


class NpmValidator:
    """One of them."""

    def __init__(self, name: str, package: str, *, script: str, packages: Packages) -> None:
        self._name = name
        self._package = package
        self._script = script
        self._packages = packages

    @property
    def name(self) -> str:
        """As the table calls it."""
        return self._name

    def missing(self) -> str | None:
        """The npm packages."""
        return self._packages.missing()

    def version(self) -> str:
        """Of the npm package."""
        return self._packages.version(self._package)

    def subjects(self, made: Made) -> Sequence[str]:
        """FHIR bundles."""
        return sorted(made.fhir())

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """All in one process."""
        found = list(resources(made))
        answers = self._packages.run(self._script, [one.body for one in found]) if found else []
        problems = [
            Problem(one.made.name, one.subject, _SEVERITIES.get(severity, Severity.ERROR), text)
            for one, answer in zip(found, answers, strict=True)
            for severity, text in answer
        ]
        return [problem for problem in dict.fromkeys(problems) if problem.severity is not Severity.NOTE]


def medplum(packages: Packages) -> NpmValidator:
    """The validator of the Medplum server."""
    return NpmValidator("medplum", "@medplum/core", script="medplum.mjs", packages=packages)


def lantana(packages: Packages) -> NpmValidator:
    """The validator of Lantana Consulting Group's FHIR tools."""
    return NpmValidator("npm fhir", "fhir", script="lantana.mjs", packages=packages)
