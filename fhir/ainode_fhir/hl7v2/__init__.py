"""HL7 v2.5.1 messages that say what a FHIR bundle says, for sites without FHIR."""
