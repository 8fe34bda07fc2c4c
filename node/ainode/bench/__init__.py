"""Measurements that a site makes on its own machine: ``ainode bench``."""
