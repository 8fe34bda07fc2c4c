"""ImagingStudy: the study that was analysed (https://hl7.org/fhir/R4/imagingstudy.html).

It lists the images that came in, not the SEG and SR of the run: two models on one study would else write two
different lists of the same resource. Provenance and DiagnosticReport name those.
"""

from fhir.resources.R4B.imagingstudy import ImagingStudy

from ainode_fhir.datatypes import (
    DICOM_UID,
    URI,
    Json,
    coding,
    date_time,
    present,
    reference,
    resource_id,
    uid_identifier,
)
from ainode_fhir.patient import patient_reference
from ainode_fhir.service_request import accession_identifier, order_reference
from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext, Instance, Series
from ainode_models.findings import Code


def study_reference(context: ImagingContext) -> Json:
    """Reference to the study, with its UID for readers that look no further."""
    identifier = {
        "type": {"coding": [coding(Code("110180", "DCM", "Study Instance UID"))]},
        "system": DICOM_UID,
        "value": f"urn:oid:{context.study_uid}",
    }
    return {**reference("ImagingStudy", _study_id(context)), "type": "ImagingStudy", "identifier": identifier}


def imaging_study(context: ImagingContext, site: Site) -> ImagingStudy:
    """The study with its series and instances."""
    order = order_reference(context, site)
    accession = accession_identifier(context, site)
    body = {
        "id": _study_id(context),
        "identifier": [uid_identifier(context.study_uid), *([accession] if accession else [])],
        "status": "available",
        "modality": [_modality(code) for code in context.modalities],
        "subject": patient_reference(context, site),
        "started": date_time(context.started) if context.started else None,
        "basedOn": [order] if order else None,
        "numberOfSeries": len(context.series),
        "numberOfInstances": sum(len(series.instances) for series in context.series),
        "description": context.description,
        "series": [_series(series) for series in context.series],
    }
    return ImagingStudy.model_validate(present(body))


def _modality(code: str) -> Json:
    return {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": code}


def _series(series: Series) -> Json:
    body = {
        "uid": series.uid,
        "number": series.number,
        "modality": _modality(series.modality),
        "description": series.description,
        "numberOfInstances": len(series.instances),
        "instance": [_instance(instance) for instance in series.instances],
    }
    return present(body)


def _instance(instance: Instance) -> Json:
    body = {
        "uid": instance.uid,
        "sopClass": {"system": URI, "code": f"urn:oid:{instance.sop_class_uid}"},
        "number": instance.number,
    }
    return present(body)


def _study_id(context: ImagingContext) -> str:
    return resource_id("ImagingStudy", context.study_uid)
