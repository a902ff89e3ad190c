"""`tunefleet metrics`: Prometheus metrics of the fleet."""

from __future__ import annotations

import click

from scheduler.cli.params import database_option, database_url


@click.command(short_help="Serve Prometheus metrics of the fleet.")
@click.option(
    "--host",
    metavar="HOST",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    default=9464,
    show_default=True,
    help="Port to listen on.",
)
@click.option("--once", is_flag=True, help="Print them, and end.")
@database_option
@click.pass_context
def metrics(ctx: click.Context, host: str, port: int, once: bool) -> None:
    """Serve what the database says of campaigns and workers at /metrics, until stopped."""
    import threading

    from prometheus_client import CollectorRegistry, generate_latest

    from db import open_store
    from scheduler.cli.interrupts import stoppable
    from scheduler.metrics import FleetCollector, serve_metrics

    with open_store(database_url(ctx), create=False, read_only=True, patience_s=1.0) as store:
        if once:
            registry = CollectorRegistry()
            registry.register(FleetCollector(lambda: store))
            click.echo(generate_latest(registry).decode(), nl=False)
            return
        serve_metrics(store, port, host)
        click.echo(f"http://{host}:{port}/metrics", err=True)
        with stoppable("start it again to serve on"):
            threading.Event().wait()
