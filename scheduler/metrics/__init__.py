"""Prometheus metrics of the fleet, read from its database when they are asked for."""

from scheduler.metrics.collector import METRICS, FleetCollector
from scheduler.metrics.server import exposition, serve_metrics

__all__ = ["METRICS", "FleetCollector", "exposition", "serve_metrics"]
