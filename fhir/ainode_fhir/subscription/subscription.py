"""A subscription as it is kept, and its events."""

import json
from dataclasses import dataclass

from sqlalchemy import RowMapping

from ainode_fhir.datatypes import Json, instant
from ainode_fhir.moments import moment_of
from ainode_fhir.smart.interaction import SUBSCRIPTION

__all__ = ["SUBSCRIPTION", "Event", "Subscription"]


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One subscription; times are microseconds since 1970-01-01 UTC."""

    id: str
    version: int
    last_updated: int
    owner: str
    """Client or key that made it."""
    owner_kind: str
    scopes: str
    """That it was made with."""
    type: str
    """Of the resources that it is about."""
    content: str
    """JSON without id, meta, status and error."""
    status: str
    error: str = ""
    events: int = 0
    """Number of the last event."""
    sent: int = 0
    """Number of the last event that was taken."""
    failures: int = 0
    failing_since: int = 0
    due: int = 0
    heartbeat: int = 0
    spoke: int = 0
    ends: int = 0

    @classmethod
    def of(cls, row: RowMapping) -> "Subscription":
        """What a row of the table holds."""
        return cls(**row)

    @property
    def resource(self) -> Json:
        """As it was asked for, without what the server says."""
        body: Json = json.loads(self.content)
        return body

    @property
    def body(self) -> Json:
        """As it is served."""
        meta = {"versionId": str(self.version), "lastUpdated": instant(moment_of(self.last_updated))}
        said = {"error": self.error} if self.error else {}
        return {**self.resource, "id": self.id, "meta": meta, "status": self.status, **said}

    @property
    def etag(self) -> str:
        """Weak entity tag."""
        return f'W/"{self.version}"'


@dataclass(frozen=True)
class Event:
    """A version that a subscription is to be told of."""

    number: int
    type: str
    id: str
    version: int
    at: int

    @property
    def focus(self) -> str:
        """``Type/id``."""
        return f"{self.type}/{self.id}"
