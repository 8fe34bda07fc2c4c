"""What is in the bundles of a run, one resource at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ainode_conformance.kinds.kind import Made, bundle_of
from ainode_fhir.datatypes import Json


@dataclass(frozen=True)
class Resource:
    """A bundle, or one resource of it."""

    made: Made
    subject: str
    body: Json


def bundles(made: Sequence[Made]) -> list[Resource]:
    """Every bundle, whole."""
    return [Resource(each, name, bundle_of(path)) for each in made for name, path in sorted(each.fhir().items())]


def resources(made: Sequence[Made]) -> Iterator[Resource]:
    """Every bundle, whole, then each of its resources."""
    for bundle in bundles(made):
        yield bundle
        for entry in bundle.body.get("entry", ()):
            if "resource" in entry:
                yield Resource(bundle.made, bundle.subject, entry["resource"])
