"""Prometheus metrics of the fleet, read from its database when they are asked for."""

from scheduler.metrics.collector import METRICS, FleetCollector
from scheduler.metrics.server import serve_metrics

__all__ = ["METRICS", "FleetCollector", "serve_metrics"]
