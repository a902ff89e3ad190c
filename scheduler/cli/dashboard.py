"""`tunefleet dashboard` and `tunefleet report`: the fleet for people."""

from __future__ import annotations

from pathlib import Path

import click

from scheduler.cli.errors import BadValue
from scheduler.cli.params import (
    address_options,
    database_option,
    database_url,
    json_option,
    read_store,
)


@click.command(short_help="Serve the web dashboard.")
@address_options(8420, "Address to listen on; beyond this machine a token is required.")
@click.option(
    "--token",
    metavar="TOKEN",
    envvar="TUNEFLEET_DASHBOARD_TOKEN",
    help="What viewers have to know.  [env: TUNEFLEET_DASHBOARD_TOKEN]",
)
@database_option
@click.pass_context
def dashboard(ctx: click.Context, host: str, port: int, token: str | None) -> None:
    """Serve pages about campaigns, coverage, models, nights, workers, errors and jobs.

    The database is only read; it may be missing, or away, and come back.
    """
    from dashboards.app import create_app
    from dashboards.options import DashboardOptions
    from dashboards.serve import address, serve
    from dashboards.source import Source
    from scheduler.cli.interrupts import stoppable
    from scheduler.cli.listening import listen
    from scheduler.metrics import exposition

    try:
        options = DashboardOptions(host=host, port=port, token=token)
    except ValueError as error:
        raise BadValue(str(error)) from error
    source = Source(database_url(ctx), patience_s=options.patience_s)
    app = create_app(source, options, metrics=exposition(lambda: source.store))
    taken = listen(options.host, options.port)

    def ready() -> None:
        click.echo(address(options, taken), err=True)
        if options.token is not None:
            click.echo("viewers are asked for the token", err=True)

    with stoppable("start it again to serve on"):
        serve(app, taken, ready)


@click.command(short_help="Show or write what a campaign changed.")
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(min=1))
@click.option(
    "--html",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it as a single HTML file that opens anywhere.",
)
@json_option
@database_option
@click.pass_context
def report(ctx: click.Context, campaign_id: int, path: Path | None, as_json: bool) -> None:
    """Show what CAMPAIGN (a number) improved, worsened, newly covered and missed; or write it."""
    if path is not None and as_json:
        raise click.UsageError("give --html or --json")
    if path is None:
        from scheduler.cli.campaign import show_report
        from scheduler.nightly.report import report as read

        with read_store(ctx) as store:
            found = read(store, campaign_id)
        show_report(found, as_json)
        return
    from dashboards.report import html_report
    from dashboards.source import Source

    source = Source(database_url(ctx))
    try:
        text = html_report(source, campaign_id)
    finally:
        source.close()
    path.write_text(text, encoding="utf-8")
    click.echo(f"{path}: {len(text.encode()) / 1000:.0f} kB")
