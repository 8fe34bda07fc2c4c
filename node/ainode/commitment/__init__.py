"""Storage commitment (PS3.4 annex J, Push Model): a peer asks whether what it sent is safe, and is told."""
