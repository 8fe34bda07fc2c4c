"""Who may ask the FHIR server: SMART Backend Services (https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html)."""
