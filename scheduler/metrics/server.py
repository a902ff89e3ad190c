"""Serves the metrics over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from db import Store
from scheduler.errors import SchedulerError
from scheduler.metrics.collector import FleetCollector


def serve_metrics(store: Store, port: int, host: str = "127.0.0.1") -> int:
    """Answer ``GET /metrics`` on a thread of its own; return the port, which may be given as 0.

    Raises
    ------
    SchedulerError
        If the port is taken.
    """
    try:
        server, _ = start_http_server(port, addr=host, registry=_registry(lambda: store))
    except OSError as error:
        raise SchedulerError(
            f"metrics cannot be served on {host}:{port}: {error.strerror}; choose another port"
        ) from error
    return int(server.server_port)


def exposition(opened: Callable[[], Store]) -> Callable[[], bytes]:
    """What makes the text that ``GET /metrics`` answers, for those who serve it themselves.

    Parameters
    ----------
    opened
        As of `FleetCollector`.
    """
    registry = _registry(opened)
    return lambda: generate_latest(registry)


def _registry(opened: Callable[[], Store]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(FleetCollector(opened))
    return registry
