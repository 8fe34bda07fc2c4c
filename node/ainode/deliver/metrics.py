"""Prometheus counters of the deliver stage."""

from prometheus_client import Counter

DELIVERIES = Counter("ainode_deliveries", "Attempts to deliver a result, by how they ended.", ["destination", "result"])
