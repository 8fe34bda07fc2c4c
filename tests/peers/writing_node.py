"""A node's store and notifier in a process of their own, to be killed: FOLDER ENDPOINT PREFIX.

It writes reports whose runs begin with PREFIX, without end; with an empty one it tells what waits, and ends.
"""

import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx

from ainode.journal.database import open_database
from ainode_fhir.audit.trail import AuditTrail
from ainode_fhir.bundle import report_bundle
from ainode_fhir.site import Site
from ainode_fhir.smart.scope import Scopes
from ainode_fhir.store import ResourceStore
from ainode_fhir.subscription.book import Book
from ainode_fhir.subscription.notifier import Notifier, Terms
from ainode_fhir.subscription.subscription import Subscription
from ainode_fhir.subscription.watch import note_event
from peers.fhir_samples import OBJECTS, POSITIVE, STUDY

BASE = "http://node.example/fhir"
SCOPES = "system/*.rs"


def subscribed(book: Book, endpoint: str) -> None:
    """One subscription to all reports, whose handshake is over."""
    channel = {
        "type": "rest-hook",
        "endpoint": endpoint,
        "payload": "application/fhir+json",
        "extension": [
            {
                "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-max-count",
                "valuePositiveInt": 2,
            }
        ],
    }
    content = {"resourceType": "Subscription", "criteria": "DiagnosticReport", "reason": "test", "channel": channel}
    if not book.of_owner("key", "ehr"):
        book.add(
            Subscription(
                id="s-1",
                version=1,
                last_updated=0,
                owner="ehr",
                owner_kind="key",
                scopes=SCOPES,
                type="DiagnosticReport",
                content=json.dumps(content),
                status="active",
            )
        )


def main(folder: Path, endpoint: str, prefix: str) -> None:
    """Write and tell."""
    engine = open_database(f"sqlite:///{folder / 'node.db'}")
    store = ResourceStore(engine, clock=lambda: datetime.now(UTC), base_url=BASE, written=note_event)
    book = Book(engine)
    subscribed(book, endpoint)
    terms = Terms(
        base_url=BASE,
        hosts=("127.0.0.1",),
        owner=lambda _kind, _name: Scopes.parse(SCOPES),
        wait=lambda _failures: 0.05,
        give_up_after=1e6,
    )
    trail = AuditTrail(engine, time.time, days=0)
    with httpx.Client(trust_env=False) as http:
        notifier = Notifier(book, store, http=http, trail=trail, terms=terms, clock=time.time)
        for number in count():
            if prefix:
                run = replace(POSITIVE, run_id=f"{prefix}-{number}")
                store.apply(report_bundle(run, STUDY, OBJECTS, site=Site(base_url=BASE)))
            elif not book.count():
                break
            notifier.step()
            time.sleep(0.01)
        notifier.close()
    engine.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
