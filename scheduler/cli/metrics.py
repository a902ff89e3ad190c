"""`tunefleet metrics`: Prometheus metrics of the fleet."""

from __future__ import annotations

import click

from scheduler.cli.params import address_options, database_option, database_url


@click.command(short_help="Serve Prometheus metrics of the fleet.")
@address_options(9464)
@click.option("--once", is_flag=True, help="Print them, and end.")
@database_option
@click.pass_context
def metrics(ctx: click.Context, host: str, port: int, once: bool) -> None:
    """Serve what the database says of campaigns and workers at /metrics, until stopped."""
    import threading

    from db import open_store
    from scheduler.cli.interrupts import stoppable
    from scheduler.metrics import exposition, serve_metrics

    with open_store(database_url(ctx), create=False, read_only=True, patience_s=1.0) as store:
        if once:
            click.echo(exposition(lambda: store)().decode(), nl=False)
            return
        taken = serve_metrics(store, port, host)
        click.echo(f"http://{host}:{taken}/metrics", err=True)
        with stoppable("start it again to serve on"):
            threading.Event().wait()
