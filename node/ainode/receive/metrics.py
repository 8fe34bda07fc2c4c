"""Counters of what is received, on Prometheus' default registry."""

from prometheus_client import Counter

INSTANCES = Counter("ainode_instances_received_total", "Objects answered with Success")
BYTES = Counter("ainode_received_bytes_total", "Bytes of the files of objects answered with Success")
ASSOCIATIONS = Counter(
    "ainode_associations_total", "Associations by how they ended: released, aborted or rejected", ["result"]
)
CONFLICTING = Counter(
    "ainode_conflicting_instances_total", "Objects that differ from one that is here under the same SOP Instance UID"
)
STORE_FAILURES = Counter(
    "ainode_store_failures_total", "Objects not answered with Success, by status in hexadecimal", ["status"]
)
