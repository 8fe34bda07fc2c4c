"""What is asked of the server: an EHR's searches, of patients and studies that are in the database."""

import random
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from fhir_load.asking import Question
from fhir_load.filling import DAYS, FIRST_DAY, Filling, Patient

REPORT, SCT, LOINC = "DiagnosticReport", "http://snomed.info/sct", "http://loinc.org"
MOST = 50
"""Resources on a page."""
PAGES: Mapping[str, Question] = MappingProxyType(
    {
        "plain": Question(REPORT),
        "status": Question(REPORT, (("status", "cancelled"),)),
        "code": Question(REPORT, (("code", f"{LOINC}|18748-4"),)),
        "observations": Question("Observation", (("code", f"{SCT}|118565006"),)),
    }
)
"""First pages, whatever the patient: without filter, by status, by code."""


class Questions:
    """Draws questions; the same seed and database give the same."""

    def __init__(self, filling: Filling, *, seed: int) -> None:
        self._patients = list(filling.patients)
        self._rng = random.Random(seed)  # noqa: S311 - chooses questions, not secrets

    def search(self) -> Question:
        """By patient, category and date, as US Core asks for it: reports of a patient since some day of two years."""
        patient = self._patient()
        since = FIRST_DAY + timedelta(days=self._rng.randrange(DAYS))
        found = sum(moment >= since for moment in patient.moments)
        asked = (
            ("patient", patient.identity),
            ("category", f"{LOINC}|LP29684-5"),
            ("date", f"ge{since.date().isoformat()}"),
        )
        return Question(REPORT, asked, found)

    def of(self, name: str) -> Question:
        """One of `NAMES`."""
        patient = self._patient()
        count, at = len(patient.studies), self._rng.randrange(len(patient.studies))
        number = f"P-{patient.number + 10000}"
        along = ("DiagnosticReport:subject", "DiagnosticReport:imagingStudy", "DiagnosticReport:result")
        asked: dict[str, tuple[tuple[tuple[str, str], ...], int | None]] = {
            "patient_identifier": ((("patient.identifier", f"urn:oid:1.2.276.99|{number}"),), count),
            "patient_name": ((("patient.name", patient.family), ("patient.given", patient.given)), None),
            "accession": ((("basedOn.identifier", patient.studies[at]),), 1),
            "study_uid": ((("imagingStudy.identifier", f"urn:dicom:uid|{patient.uids[at]}"),), 1),
            "modality": (
                (("patient", patient.identity), ("imagingStudy.modality", "MR"), ("imagingStudy.started", "ge2024")),
                count,
            ),
            "include": (
                (
                    ("basedOn.identifier", patient.studies[at]),
                    *(("_include", each) for each in along),
                    ("_include:iterate", "Observation:has-member"),
                    ("_revinclude", "Provenance:target"),
                ),
                1,
            ),
        }
        parameters, matches = asked[name]
        return Question(REPORT, parameters, matches)

    def _patient(self) -> Patient:
        return self._rng.choice(self._patients)


NAMES = ("patient_identifier", "patient_name", "accession", "study_uid", "modality", "include")
"""The chains of IHE IMR, and a report with all that belongs to it."""
