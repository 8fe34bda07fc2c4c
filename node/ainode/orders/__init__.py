"""The stage that takes orders by HL7 v2, and shows them with the studies they were made for."""
