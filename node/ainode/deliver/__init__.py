"""The deliver stage: an outbox of results, each sent until its destination shows it."""
