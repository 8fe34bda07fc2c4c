"""Counts of the REST interface."""

from prometheus_client import Counter

PREDICTIONS = Counter("ainode_api_predictions", "Inputs of REST requests that came to an end.", ["model", "result"])
