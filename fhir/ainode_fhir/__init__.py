"""Findings as FHIR R4 resources, the FHIR read side and the push to an EHR."""
