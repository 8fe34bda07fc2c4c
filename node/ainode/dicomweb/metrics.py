"""Counters of what comes over HTTP, on Prometheus' default registry."""

from prometheus_client import Counter

STORED = Counter(
    "ainode_http_instances_total",
    "Objects that came over HTTP, by way and result",
    ["way", "result"],
)
