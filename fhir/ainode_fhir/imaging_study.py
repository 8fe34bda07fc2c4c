"""ImagingStudy: the study that was analysed (https://hl7.org/fhir/R4/imagingstudy.html).

It lists the images that came in, and the DICOM objects of the run as series of their own (``result_series``).
"""

from collections.abc import Sequence

from fhir.resources.R4B.imagingstudy import ImagingStudy

from ainode_fhir.datatypes import (
    DICOM_UID,
    Json,
    coding,
    date_time,
    present,
    reference,
    resource_id,
    uid_identifier,
)
from ainode_fhir.endpoint import endpoint_reference
from ainode_fhir.patient import patient_reference
from ainode_fhir.result_series import counted, instance, modality
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


def imaging_study(context: ImagingContext, site: Site, made: Sequence[Json] = ()) -> ImagingStudy:
    """The study with its series and instances, and the series that were ``made`` of it (`result_series`)."""
    order = order_reference(context, site)
    accession = accession_identifier(context, site)
    body = {
        "id": _study_id(context),
        "identifier": [uid_identifier(context.study_uid), *([accession] if accession else [])],
        "status": "available",
        "subject": patient_reference(context, site),
        "started": date_time(context.started) if context.started else None,
        "basedOn": [order] if order else None,
        "endpoint": [address] if (address := endpoint_reference(site)) else None,
        "description": context.description,
        "series": [*map(_series, context.series), *made],
    }
    return ImagingStudy.model_validate(present(counted(body)))


def _series(series: Series) -> Json:
    body = {
        "uid": series.uid,
        "number": series.number,
        "modality": modality(series.modality),
        "description": series.description,
        "numberOfInstances": len(series.instances),
        "instance": [_instance(item) for item in series.instances],
    }
    return present(body)


def _instance(item: Instance) -> Json:
    return present({**instance(item.uid, item.sop_class_uid), "number": item.number})


def _study_id(context: ImagingContext) -> str:
    return resource_id("ImagingStudy", context.study_uid)
