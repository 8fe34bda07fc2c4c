"""Subscriptions: an EHR is told of new results (https://hl7.org/fhir/uv/subscriptions-backport/, R4)."""
