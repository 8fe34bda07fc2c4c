"""Every seeded defect. One line in one of these makes another."""

from ainode_conformance.defects.dicom import DICOM
from ainode_conformance.defects.fhir import FHIR
from ainode_conformance.defects.reports import REPORTS

DEFECTS = (*DICOM, *FHIR, *REPORTS)
