"""A study and the ways in which a run on it can end, for the tests of the FHIR side."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from fhir.resources.R4B.bundle import Bundle

from ainode_fhir.bundle import as_json
from ainode_fhir.datatypes import Json
from ainode_fhir.study import ImagingContext, Instance, ResultObject, Series
from ainode_models.findings import Algorithm, Code, Diameter, Findings, Outcome, Segment

ALGORITHM = Algorithm(
    name="brain-tumour-demo",
    version="1.0.2",
    manufacturer="ainode",
    family=Code("123110", "DCM", "Artificial Intelligence"),
    device_uid="2.25.310",
    weights_sha256="ab" * 32,
    intended_use="Shows how the node works.",
    disclaimer="Not for diagnostic use",
)
STARTED = datetime(2026, 3, 4, 10, 20, 30, tzinfo=UTC)
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
OBJECTS = (
    ResultObject("SEG", "1.2.840.10008.5.1.4.1.1.66.4", "2.25.41", "2.25.42"),
    ResultObject("SR", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.51", "2.25.52"),
)
STUDY = ImagingContext(
    study_uid="1.2.826.0.1.77",
    patient_id="P-4711",
    patient_issuer="urn:oid:1.2.276.99",
    patient_name="Erika Mustermann",
    family_name="Mustermann",
    given_names=("Erika",),
    birth_date=date(1964, 8, 12),
    sex="F",
    accession_number="ACC-9",
    accession_issuer="http://hospital.example/accession",
    started=datetime(2026, 3, 4, 9, 0, tzinfo=UTC),
    description="MR head",
    series=(Series("1.2.826.0.1.77.1", "MR", "T1", 1, (Instance("1.2.826.0.1.77.1.1", MR_IMAGE, 1),)),),
)
OEDEMA = Segment(
    number=1,
    label="Oedema <T2 & FLAIR>",
    category=Code("49755003", "SCT", "Morphologically Abnormal Structure"),
    type=Code("79654002", "SCT", "Edema"),
    anatomy=Code("12738006", "SCT", "Brain"),
    color=(0, 200, 0),
    tracking_id="oedema",
    tracking_uid="2.25.61",
    voxels=34567,
    volume_ml=34.56789,
    longest_diameter=Diameter(51.23456, (0.0, 0.0, 0.0), (51.23456, 0.0, 0.0)),
    confidence=0.912345,
)
NECROSIS = replace(
    OEDEMA,
    number=2,
    label="Necrosis",
    type=Code("6574001", "SCT", "Necrosis"),
    tracking_id="necrosis",
    tracking_uid="2.25.62",
    voxels=0,
    volume_ml=0.0,
    longest_diameter=None,
    confidence=None,
)
POSITIVE = Findings("run-positive", Outcome.FINDINGS, ALGORITHM, STARTED, (OEDEMA, NECROSIS), None, None)
NEGATIVE = replace(
    POSITIVE,
    run_id="run-negative",
    outcome=Outcome.NO_FINDINGS,
    segments=(replace(NECROSIS, number=1, type=OEDEMA.type, label="Oedema", tracking_uid="2.25.61"), NECROSIS),
)
FAILED = replace(
    POSITIVE, run_id="run-failed", outcome=Outcome.FAILED, segments=(), failure="the slices do not form one volume"
)
REFUSED = replace(FAILED, run_id="run-refused", outcome=Outcome.REFUSED, failure="the series is a localizer")


class Clock:
    """A clock that goes on by one second each time that it is read."""

    def __init__(self) -> None:
        """Start a day after the runs."""
        self.now = STARTED + timedelta(days=1)

    def __call__(self) -> datetime:
        """The next second."""
        self.now += timedelta(seconds=1)
        return self.now


def resources(bundle: Bundle, kind: str) -> list[Json]:
    """The resources of one type in a bundle, as JSON."""
    bodies = [entry["resource"] for entry in as_json(bundle)["entry"]]
    return [body for body in bodies if body["resourceType"] == kind]


def codes_of(concept: Json) -> list[str]:
    """The codes of a CodeableConcept."""
    return [coding["code"] for coding in concept["coding"]]
