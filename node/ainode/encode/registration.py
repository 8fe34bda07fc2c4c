"""Registered reports on their way to the destinations that ask for them."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from fhir.resources.R4B.bundle import Bundle

from ainode.durable_file import durable_file
from ainode.journal.deliveries import DeliveryJournal
from ainode_fhir.bundle import as_json

REGISTERED = "registered.json"
"""File of the transaction with the registered report of a run, in the run's folder; only where a destination asks."""
NEVER = "never.json"
"""File of the transaction that cancels it, when nothing will come any more."""


@dataclass(frozen=True)
class Registrations:
    """Files for the outbox, and their deliveries; each call may be made twice and leaves the same."""

    deliveries: DeliveryJournal
    results: Path
    """Folder of the results."""
    destinations: Collection[str]
    """Names of those that ask for registered reports."""

    def registered(self, run_id: str, bundle: Bundle, destinations: Collection[str]) -> None:
        """Have a registered report sent to those of a run's ``destinations`` that ask for it."""
        asking = [name for name in destinations if name in self.destinations]
        if not asking:
            return
        (self.results / run_id).mkdir(parents=True, exist_ok=True)
        self._write(run_id, REGISTERED, bundle)
        self.deliveries.post(run_id, asking)

    def never(self, run_id: str, bundle: Bundle) -> None:
        """Have those who were told of the report be told that nothing will come."""
        if (self.results / run_id / REGISTERED).is_file():
            self._write(run_id, NEVER, bundle)
            self.deliveries.post_cancelled(run_id)

    def _write(self, run_id: str, name: str, bundle: Bundle) -> None:
        entries = [entry for entry in as_json(bundle)["entry"] if entry["resource"]["resourceType"] != "Task"]
        with durable_file(self.results / run_id / name) as file:
            file.write(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode())
