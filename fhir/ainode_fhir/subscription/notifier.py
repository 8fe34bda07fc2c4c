"""Tells subscribers: handshake, events in their order, heartbeats; again after growing pauses when one does not answer.

What was taken is forgotten only after the answer, so that a node that is killed tells it again, under the same number.
"""

import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx

from ainode_fhir.audit.entry import AuditEntry
from ainode_fhir.audit.trail import AuditTrail
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.smart.scope import Scopes
from ainode_fhir.store import ResourceStore
from ainode_fhir.stored import Stored
from ainode_fhir.subscription.book import Book
from ainode_fhir.subscription.channel import Channel
from ainode_fhir.subscription.notification import notification
from ainode_fhir.subscription.post import post
from ainode_fhir.subscription.subscription import SUBSCRIPTION, Event, Subscription
from ainode_fhir.subscription.wanted import criteria_of, lacking

logger = logging.getLogger(__name__)

_AT_ONCE = 8
"""Subscribers that are told at once: one that is slow holds up no other."""
_FAILED = 3
"""Failures in a row that make an ``active`` subscription one in ``error``, which goes on trying."""
_GONE = 410


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the site settles."""

    base_url: str
    hosts: Collection[str]
    """That may be called."""
    owner: Callable[[str, str], Scopes | None]
    """What a client or key, by kind and name, may do now; None when it is not there any more."""
    wait: Callable[[int], float]
    """Seconds to wait after so many failures."""
    give_up_after: float
    """Seconds of failures after which a subscription is off."""


class Notifier:
    """``step`` is to be called again and again; it starts what is due and does not wait for it."""

    def __init__(
        self,
        book: Book,
        store: ResourceStore,
        *,
        http: httpx.Client,
        trail: AuditTrail,
        terms: Terms,
        clock: Callable[[], float],
    ) -> None:
        """``clock`` gives seconds since 1970-01-01 UTC; ``http`` is closed by its owner."""
        self._book = book
        self._store = store
        self._http = http
        self._trail = trail
        self._terms = terms
        self._clock = clock
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notify")
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._closing = False

    def step(self) -> int:
        """Start to tell all whose turn it is, but those that are being told; 0, so that its loop rests."""
        for subscription in self._book.due(self._now):
            with self._lock:
                if self._closing or subscription.id in self._busy:
                    continue
                self._busy.add(subscription.id)
                self._pool.submit(self._turn, subscription.id)
        return 0

    def close(self) -> None:
        """Return when nobody is told any more."""
        with self._lock:
            self._closing = True
        self._pool.shutdown(cancel_futures=True)

    @property
    def _now(self) -> int:
        return int(self._clock() * 1e6)

    def _turn(self, identity: str) -> None:
        try:
            while not self._closing and self._tell(identity):
                pass
        except Exception as exc:  # noqa: BLE001 - a thread of the pool, whose end nobody would hear of
            # Not its message: a database error quotes values.
            logger.error("subscription %s failed with %s", identity, type(exc).__name__)  # noqa: TRY400
        finally:
            with self._lock:
                self._busy.discard(identity)

    def _tell(self, identity: str) -> bool:
        """One notification, if one is due; whether to look again at once."""
        now = self._now
        subscription = self._book.find(identity)
        if subscription is None or subscription.status == "off":
            return False
        if subscription.ends and subscription.ends <= now:
            self._book.state(subscription, status="off", error="")
            return False
        if subscription.due > now:
            return False
        try:
            channel = self._allowed(subscription)
        except FhirProblem as problem:
            self._book.state(subscription, status="off", error=str(problem))
            return False
        return self._speak(subscription, channel, now)

    def _allowed(self, subscription: Subscription) -> Channel:
        """The channel; FhirProblem when the host, or the owner, may not any more."""
        channel = Channel.of(subscription.resource, self._terms.hosts)
        current = self._terms.owner(subscription.owner_kind, subscription.owner)
        scopes = Scopes.parse(subscription.scopes).granted(current or Scopes())
        if missing := lacking(scopes, *criteria_of(subscription.resource)):
            raise FhirProblem(403, "forbidden", f"its owner has the scope {missing} no more")
        return channel

    def _speak(self, subscription: Subscription, channel: Channel, now: int) -> bool:
        events = self._book.events(subscription, channel.most) if subscription.status != "requested" else []
        if subscription.status == "requested":
            kind = "handshake"
        elif events:
            kind = "event-notification"
        elif subscription.heartbeat and subscription.spoke + subscription.heartbeat <= now:
            kind = "heartbeat"
        else:
            return False
        self._trail.check()
        resources = self._versions(events) if channel.level == "full-resource" else []
        shown = replace(subscription, status="active", error="") if subscription.status == "error" else subscription
        bundle = notification(
            shown,
            kind,
            level=channel.level,
            base_url=self._terms.base_url,
            now=now,
            events=events,
            resources=resources,
        )
        status = post(self._http, channel, bundle)
        self._note(subscription, channel, status, kind, events)
        return self._heard(subscription, status, events)

    def _versions(self, events: list[Event]) -> list[Stored]:
        found = (self._store.version(event.type, event.id, event.version) for event in events)
        return [stored for stored in found if stored]

    def _heard(self, subscription: Subscription, status: int, events: list[Event]) -> bool:
        now = self._now
        if 200 <= status < 300:
            sent = {"sent": events[-1].number} if events else {}
            well = {"status": "active", "error": "", "failures": 0, "failing_since": 0, "due": 0, "spoke": now}
            self._book.state(subscription, **well, **sent)
            return True
        failures, since = subscription.failures + 1, subscription.failing_since or now
        error = f"the subscriber answered {status}" if status else "the subscriber did not answer in time"
        state = "error" if failures >= _FAILED and subscription.status == "active" else subscription.status
        if status == _GONE or now - since >= self._terms.give_up_after * 1e6:
            state = "off"
        due = now + int(self._terms.wait(failures) * 1e6)
        self._book.state(subscription, status=state, error=error, failures=failures, failing_since=since, due=due)
        return False

    def _note(self, subscription: Subscription, channel: Channel, status: int, kind: str, events: list[Event]) -> None:
        told = ", ".join(f"{event.number} {event.focus}/_history/{event.version}" for event in events)
        self._trail.note(
            AuditEntry(
                event="notify",
                agent=subscription.owner,
                address=channel.host,
                status=status or 504,
                entity=f"{SUBSCRIPTION}/{subscription.id}",
                detail=f"{kind} {told if channel.level != 'empty' else len(events)}".strip(),
            )
        )
