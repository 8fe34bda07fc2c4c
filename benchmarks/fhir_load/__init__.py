"""A FHIR server with very many reports: filling its database, starting it, asking it."""
