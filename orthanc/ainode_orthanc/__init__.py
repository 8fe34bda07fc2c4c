"""Clients of the archive: DICOMweb and the change feed of Orthanc."""
