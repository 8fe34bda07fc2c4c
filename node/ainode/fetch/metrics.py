"""Prometheus counters of the fetch stage."""

from prometheus_client import Counter

FETCHED = Counter("ainode_fetched_instances", "Instances fetched from an archive.", ["archive"])
