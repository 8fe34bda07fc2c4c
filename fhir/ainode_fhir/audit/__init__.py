"""The record of who asked the FHIR server for what: AuditEvents (https://hl7.org/fhir/R4/auditevent.html)."""
