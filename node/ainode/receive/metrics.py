"""Counters of what is received, on Prometheus' default registry."""

from prometheus_client import Counter, Gauge

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
CONNECTIONS_CLOSED = Counter(
    "ainode_connections_closed_total",
    "Connections closed without an association request: silent for too long, or crowded out by others",
    ["reason"],
)
DISK_FREE = Gauge("ainode_disk_free_bytes", "Bytes free on the disk that is nearest to its mark")
DISK_REFUSING = Gauge("ainode_disk_refusing", "1 while nothing new is taken in for lack of room, else 0")
DISK_REFUSALS = Counter("ainode_disk_refusals_total", "Objects refused for lack of room")
