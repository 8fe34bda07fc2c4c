"""Patient: as little as lets a report be found by the patient (https://hl7.org/fhir/R4/patient.html)."""

from fhir.resources.R4B.patient import Patient

from ainode_fhir.datatypes import (
    UNIDENTIFIED_SYSTEM,
    Json,
    hl7_concept,
    issued_identifier,
    present,
    reference,
    resource_id,
)
from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext

_GENDERS = (("M", "male"), ("F", "female"), ("O", "other"))


def patient_identifier(context: ImagingContext, site: Site) -> Json:
    """The medical record number, or the study's UID for a patient without one, so that two such are never merged."""
    if not context.patient_id:
        return {"system": UNIDENTIFIED_SYSTEM, "value": context.study_uid}
    number = issued_identifier(context.patient_id, context.patient_issuer, site.patient_system)
    return {"type": hl7_concept("v2-0203", "MR", "Medical record number"), **number}


def patient_reference(context: ImagingContext, site: Site) -> Json:
    """Reference to the patient of the study."""
    return reference("Patient", _patient_id(context, site))


def patient(context: ImagingContext, site: Site) -> Patient:
    """The patient as the DICOM headers describe them."""
    gender = dict(_GENDERS).get(context.sex or "")
    return Patient.model_validate(
        {
            "id": _patient_id(context, site),
            "identifier": [patient_identifier(context, site)],
            **({"name": [_name(context)]} if context.patient_name else {}),
            **({"gender": gender} if gender else {}),
            **({"birthDate": context.birth_date.isoformat()} if context.birth_date else {}),
        }
    )


def _name(context: ImagingContext) -> Json:
    """For people as one text, and for searches in its parts."""
    return present(
        {"text": context.patient_name, "family": context.family_name, "given": list(context.given_names) or None}
    )


def _patient_id(context: ImagingContext, site: Site) -> str:
    identifier = patient_identifier(context, site)
    issuer = identifier.get("system") or identifier.get("assigner", {}).get("display", "")
    return resource_id("Patient", issuer, identifier["value"])
