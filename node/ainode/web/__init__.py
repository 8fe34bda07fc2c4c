"""The HTTP side: health, metrics and FHIR."""
