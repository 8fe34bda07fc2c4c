"""An EHR that takes FHIR transactions and shows reports by search."""

from pathlib import Path

from fhir.resources.R4B.bundle import Bundle

from ainode.deliver.destination import Result
from ainode_fhir.push import FhirDestination
from ainode_models.errors import PeerUnreachable


class EhrDestination:
    """Pushes the bundles of a result (``ainode_fhir.push``); a result without FHIR needs nothing."""

    def __init__(self, server: FhirDestination) -> None:
        self._server = server

    def shows(self, result: Result) -> bool:
        """Whether a search finds the report, as the last review left it."""
        if not result.bundles:
            return True
        try:
            if result.change:
                self._server.confirm(_read(result.change), change=True)
            else:
                self._server.confirm(_read(result.bundles[-1]))
        except PeerUnreachable:  # not found, or not reachable: sending tells which
            return False
        return True

    def send(self, result: Result) -> None:
        """Push the bundles in their order; what the report is now comes in its place, with all of it."""
        if not result.change:
            for path in result.bundles:
                self._server.push(_read(path))
            return
        for path in result.bundles[:-1]:
            self._server.push(_read(path))
        self._server.push(_read(result.change), change=True)


def _read(path: Path) -> Bundle:
    return Bundle.model_validate_json(path.read_bytes())
