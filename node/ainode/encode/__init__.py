"""The encode stage: findings to DICOM and FHIR objects."""
