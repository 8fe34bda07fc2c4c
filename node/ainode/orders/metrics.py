"""Counters of orders, on Prometheus' default registry."""

from prometheus_client import Counter

MESSAGES = Counter(
    "ainode_order_messages_total", "HL7 v2 messages with orders, by the answer: AA, AE or AR", ["answer"]
)
CLOSED = Counter(
    "ainode_order_connections_closed_total",
    "MLLP connections closed by this node: stranger, crowded, slow, long or noise",
    ["reason"],
)
