"""fhirclient of SMART Health IT: what an app on an EHR reads our results with, told to be strict."""

from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.util import find_spec

from ainode_conformance.checkers.checker import Problem, error
from ainode_conformance.checkers.fhir_resources import Resource, bundles
from ainode_conformance.kinds.kind import Made


class FhirClient:
    """Whether the classes that it makes of the R4 definitions take every element."""

    name = "fhirclient"

    def missing(self) -> str | None:
        """The Python package."""
        return None if find_spec("fhirclient") else "install the Python package fhirclient"

    def version(self) -> str:
        """Of the Python package."""
        return metadata.version("fhirclient")

    def subjects(self, made: Made) -> Sequence[str]:
        """FHIR bundles."""
        return sorted(made.fhir())

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """In this process."""
        return [error(one.made, one.subject, text) for one in bundles(made) for text in _faults(one)]


def _faults(one: Resource) -> Iterator[str]:
    from fhirclient.models.bundle import Bundle
    from fhirclient.models.fhirabstractbase import FHIRValidationError

    try:
        Bundle(one.body, strict=True)
    except FHIRValidationError as exc:
        yield " ".join(str(exc).split())[:500]
    except (TypeError, ValueError, AttributeError, KeyError) as exc:  # what it has not thought of
        yield f"breaks on it: {type(exc).__name__}: {exc}"
