"""What the store gives back: versions of resources, and pages of them."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import RowMapping

from ainode_fhir.datatypes import Json
from ainode_fhir.moments import moment_of

_META = ', "meta": {'


@dataclass(frozen=True)
class Stored:
    """One version of a resource."""

    kind: str
    id: str
    version: int
    last_updated: int
    """Microseconds since 1970-01-01 UTC."""
    deleted: bool
    text: str
    """The resource as it was written, JSON."""

    @classmethod
    def of(cls, row: RowMapping) -> "Stored":
        """The version that a row of ``tables.resource_table`` holds."""
        return cls(
            kind=row["type"],
            id=row["id"],
            version=row["version"],
            last_updated=row["last_updated"],
            deleted=bool(row["deleted"]),
            text=row["content"],
        )

    @cached_property
    def content(self) -> Json:
        """The same, read."""
        body: Json = json.loads(self.text)
        return body

    @property
    def location(self) -> str:
        """``Type/id``."""
        return f"{self.kind}/{self.id}"

    @property
    def etag(self) -> str:
        """Weak entity tag of this version (https://hl7.org/fhir/R4/http.html#versioning)."""
        return f'W/"{self.version}"'

    @property
    def moment(self) -> datetime:
        """When this version was written, UTC."""
        return moment_of(self.last_updated)

    @property
    def last_modified(self) -> str:
        """``moment`` as a FHIR instant."""
        return self.moment.isoformat(timespec="microseconds")

    @property
    def body(self) -> Json:
        """The resource with ``meta.versionId`` and ``meta.lastUpdated``, as it is served."""
        return {**self.content, "meta": {**self.content.get("meta", {}), **self._stamp}}

    @property
    def body_text(self) -> str:
        """The same as JSON: `text`, with the stamp put in where ``meta`` begins or belongs.

        To read it and to write it again would cost more than all else that a search does.
        """
        head = f'{{"resourceType": "{self.kind}", "id": "{self.id}"'
        stamp = f'"versionId": "{self.version}", "lastUpdated": "{self.last_modified}"'
        rest = self.text.removeprefix(head)
        if rest == self.text or any(name in rest for name in ('"versionId"', '"lastUpdated"')):
            return json.dumps(self.body)  # written with its elements in another order, or with a stamp of its own
        labels = rest.removeprefix(_META)
        if labels != rest:
            return f"{head}{_META}{stamp}{'' if labels.startswith('}') else ', '}{labels}"
        return json.dumps(self.body) if '"meta"' in rest else f"{head}{_META}{stamp}}}{rest}"

    @property
    def _stamp(self) -> Json:
        return {"versionId": str(self.version), "lastUpdated": self.last_modified}


@dataclass(frozen=True)
class Page:
    """One page of a search."""

    total: int | None
    """Matches on all pages; None when they were not counted."""
    resources: tuple[Stored, ...]
    next: str | None
    """For the link to the next page; None on the last."""
    included: tuple[Stored, ...] = ()
    """What comes along with the matches, each once."""
    cut: bool = False
    """Whether more would come along than there is room for."""
