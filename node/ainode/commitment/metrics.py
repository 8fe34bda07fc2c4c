"""Counter of storage commitment, on Prometheus' default registry."""

from prometheus_client import Counter

COMMITMENTS = Counter(
    "ainode_commitments_total", "Attempts to report a storage commitment: reported, retry or dead", ["result"]
)
