"""An imaging order, as far as HL7 v2 or the headers of the images tell it."""

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from ainode_models.findings import Code

Status = Literal["active", "on-hold", "revoked", "completed", "unknown"]
"""Codes of ``ServiceRequest.status``."""
Priority = Literal["", "routine", "urgent", "asap", "stat"]


UNCODED = Code("", "", "")
"""What was ordered, where nobody says it."""


@dataclass(frozen=True)
class Number:
    """An identifier and who gave it; empty text is what nobody said."""

    value: str = ""
    namespace: str = ""
    """The issuer by a name of the site (HD.1, or a local namespace in DICOM)."""
    universal: str = ""
    """The issuer by an OID or URI (HD.2)."""

    @property
    def issuer(self) -> str:
        """URI of the issuer where it has one, else its name."""
        if self.universal and ":" not in self.universal:
            return f"urn:oid:{self.universal}" if self.universal[0].isdecimal() else self.universal
        return self.universal or self.namespace

    def is_same(self, other: "Number") -> bool:
        """Equal values whose issuers do not contradict each other: two OIDs, two URIs or two names that differ do."""
        ours, theirs = _issuers(self), _issuers(other)
        comparable = [ours[kind] == theirs[kind] for kind in ours if kind in theirs]
        return self.value == other.value != "" and (not comparable or any(comparable))


@dataclass(frozen=True, kw_only=True)
class Order:
    """One order; what is empty is not known."""

    status: Status = "unknown"
    placer: Number = Number()
    """Placer order number (ORC-2; Placer Order Number / Imaging Service Request)."""
    filler: Number = Number()
    """Filler order number (ORC-3)."""
    accession: Number = Number()
    patients: tuple[Number, ...] = ()
    """Identifiers of the one patient (PID-3)."""
    study_uid: str = ""
    """``StudyInstanceUID`` that the images are to have."""
    procedure: Code = UNCODED
    """What was ordered, in the words of the site; the code may be empty."""
    priority: Priority = ""
    authored: str = ""
    """When it was ordered: FHIR dateTime."""
    wanted: str = ""
    """When it is to be done: FHIR dateTime."""

    def is_of(self, patient: Number) -> bool:
        """Whether it is for the patient with this identifier."""
        return any(own.is_same(patient) for own in self.patients)

    def fits(self, *, study_uid: str, accession: Number, patient: Number) -> bool:
        """Whether a study was made for it.

        It is, when the accession number and the patient are the same, or the Study Instance UID is and neither
        accession number nor patient contradicts that. Never by accession number alone.
        """
        if accession.value and self.accession.value and not self.accession.is_same(accession):
            return False
        if patient.value and not self.is_of(patient):
            return False
        if self.study_uid == study_uid != "":
            return True
        return bool(accession.value and self.accession.value and patient.value)

    def over(self, earlier: "Order") -> "Order":
        """This one, with what only ``earlier`` told; the time of the order is that of the first."""
        known = {name: getattr(self, name) or getattr(earlier, name) for name in _TEXTS}
        numbers = {name: own if (own := getattr(self, name)).value else getattr(earlier, name) for name in _NUMBERS}
        procedure = self.procedure if self.procedure.value or self.procedure.meaning else earlier.procedure
        authored = earlier.authored or self.authored
        return replace(self, **known, **numbers, procedure=procedure, authored=authored)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Order":
        """The order that `as_json` gave."""
        numbers = {name: Number(**body[name]) for name in _NUMBERS}
        patients = tuple(Number(**one) for one in body["patients"])
        plain = {each.name: body[each.name] for each in fields(cls) if each.name in body}
        return cls(**plain | numbers | {"patients": patients, "procedure": Code(**body["procedure"])})


def _issuers(number: Number) -> dict[str, str]:
    """The issuer by the kind of its name."""
    parts = [part.removeprefix("urn:oid:") for part in (number.namespace, number.universal) if part]
    return {_kind(part): part for part in parts}


def _kind(issuer: str) -> str:
    if re.fullmatch(r"\d+(\.\d+)+", issuer):
        return "OID"
    return "URI" if ":" in issuer else "name"


_NUMBERS = ("placer", "filler", "accession")
_TEXTS = ("patients", "study_uid", "priority", "wanted")
