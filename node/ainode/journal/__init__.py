"""The journal: what was received, what waits, what ran and what was delivered, in SQL."""
