"""Counters of what was deleted, on Prometheus' default registry."""

from prometheus_client import Counter

STUDIES = Counter("ainode_studies_deleted_total", "Studies given up for deletion, by why: age or room", ["why"])
BYTES = Counter("ainode_deleted_bytes_total", "Bytes of the files that were deleted")
