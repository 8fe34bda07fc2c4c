"""What a subscriber is sent: a Bundle of type history, a SubscriptionStatus first, in R4 as Parameters.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-notification-r4.html
"""

import uuid
from collections.abc import Sequence

from ainode_fhir.datatypes import Json, instant
from ainode_fhir.moments import moment_of
from ainode_fhir.stored import Stored
from ainode_fhir.subscription.channel import BACKPORT
from ainode_fhir.subscription.subscription import SUBSCRIPTION, Event, Subscription
from ainode_fhir.subscription.wanted import TOPIC


def notification(
    subscription: Subscription,
    kind: str,
    *,
    level: str,
    base_url: str,
    now: int,
    events: Sequence[Event] = (),
    resources: Sequence[Stored] = (),
) -> Json:
    """``kind`` is handshake, heartbeat or event-notification; ``resources`` are the versions of the events, if sent."""
    status = subscription_status(subscription, kind, level=level, base_url=base_url, events=events)
    identity = str(uuid.uuid4())
    first = {
        "fullUrl": f"urn:uuid:{identity}",
        "resource": {**status, "id": identity},
        "request": {"method": "GET", "url": f"{base_url}/{SUBSCRIPTION}/{subscription.id}/$status"},
        "response": {"status": "200"},
    }
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [BACKPORT + "backport-subscription-notification-r4"]},
        "type": "history",
        "timestamp": instant(moment_of(now)),
        "entry": [first, *(_entry(stored, base_url) for stored in resources)],
    }


def subscription_status(
    subscription: Subscription, kind: str, *, level: str, base_url: str, events: Sequence[Event] = ()
) -> Json:
    """Parameters of the profile backport-subscription-status-r4."""
    topical = subscription.resource["criteria"] == TOPIC and level != "empty"
    parameters: list[Json] = [
        {
            "name": "subscription",
            "valueReference": {"reference": f"{base_url}/{SUBSCRIPTION}/{subscription.id}"},
        },
        *([{"name": "topic", "valueCanonical": TOPIC}] if topical else []),
        {"name": "status", "valueCode": subscription.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(subscription.events)},
        *(_event(event, level, base_url) for event in events),
    ]
    if subscription.error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": subscription.error}})
    profile = {"profile": [BACKPORT + "backport-subscription-status-r4"]}
    return {"resourceType": "Parameters", "meta": profile, "parameter": parameters}


def _event(event: Event, level: str, base_url: str) -> Json:
    parts: list[Json] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(moment_of(event.at))},
    ]
    if level != "empty":
        parts.append({"name": "focus", "valueReference": {"reference": f"{base_url}/{event.focus}"}})
    return {"name": "notification-event", "part": parts}


def _entry(stored: Stored, base_url: str) -> Json:
    created = stored.version == 1
    return {
        "fullUrl": f"{base_url}/{stored.location}",
        "resource": stored.body,
        "request": {"method": "PUT", "url": stored.location},
        "response": {
            "status": "201" if created else "200",
            "etag": stored.etag,
            "lastModified": stored.last_modified,
        },
    }
