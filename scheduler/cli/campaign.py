"""`tunefleet campaign`: what is done to a campaign, and to the workers that serve it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from scheduler.cli.params import (
    Command,
    database_option,
    database_url,
    json_option,
    read_store,
    write_store,
)

if TYPE_CHECKING:
    from scheduler.nightly.report import Report


@click.group()
def campaign() -> None:
    """Control campaigns: cancel, pause, resume, report."""


_campaign = click.argument("campaign_id", metavar="CAMPAIGN", type=int)


def _reason(default: str) -> Callable[[Command], Command]:
    return click.option(
        "--reason", metavar="TEXT", default=default, show_default=True, help="Why, for others."
    )


@campaign.command()
@_campaign
@_reason("called off by hand")
@database_option
@click.pass_context
def cancel(ctx: click.Context, campaign_id: int, reason: str) -> None:
    """Call off every job of CAMPAIGN that is not over; what was measured stays."""
    with write_store(database_url(ctx), create=False) as store:
        count = store.cancel_campaign(campaign_id, reason)
    click.echo(f"campaign {campaign_id}: {count} jobs cancelled")


@campaign.command()
@_campaign
@_reason("paused by hand")
@database_option
@click.pass_context
def pause(ctx: click.Context, campaign_id: int, reason: str) -> None:
    """Give out no job of CAMPAIGN until it is resumed; those that run go back to the queue."""
    with write_store(database_url(ctx), create=False) as store:
        count = store.pause_campaign(campaign_id, reason)
    click.echo(f"campaign {campaign_id}: paused, {count} running jobs taken back")


@campaign.command()
@_campaign
@database_option
@click.pass_context
def resume(ctx: click.Context, campaign_id: int) -> None:
    """Give out the jobs of a paused CAMPAIGN again, and those it gave up on once more."""
    with write_store(database_url(ctx), create=False) as store:
        store.resume_campaign(campaign_id)
        again = sum(
            store.requeue_job(progress.job.id, "its campaign was resumed")
            for progress in store.job_progress(campaign_id)
            if progress.job.state in ("failed", "quarantined")
        )
        waiting = store.campaign_progress(campaign_id).unfinished
    click.echo(f"campaign {campaign_id}: resumed, {waiting} jobs wait, {again} of them had failed")


@campaign.command()
@_campaign
@json_option
@database_option
@click.pass_context
def report(ctx: click.Context, campaign_id: int, as_json: bool) -> None:
    """Show what CAMPAIGN improved, worsened, newly covered and missed, and what it cost."""
    from scheduler.nightly.report import report as read

    with read_store(ctx) as store:
        found = read(store, campaign_id)
    show_report(found, as_json)


@click.command(short_help="Ask workers to leave after their present job.")
@click.option("--host", metavar="HOST", help="All workers of a host.")
@click.option("--worker", metavar="ID", help="One worker.")
@_reason("drained by hand")
@database_option
@click.pass_context
def drain(ctx: click.Context, host: str | None, worker: str | None, reason: str) -> None:
    """Ask workers to stop measuring: they give their jobs back, and leave.

    Their node serves no more in the campaigns that run now; stop its `tunefleet worker` to keep it
    out of later ones.
    """
    if (host is None) == (worker is None):
        raise click.UsageError("give --host or --worker")
    with write_store(database_url(ctx), create=False) as store:
        count = store.drain_workers(reason, worker=worker, host=host or "")
    if not count:
        raise click.ClickException("no such worker serves; list them with: tunefleet workers")
    click.echo(f"{count} workers asked to leave")


@click.command(short_help="List the workers.")
@click.option("--gone", is_flag=True, help="Those too that left, and why.")
@json_option
@database_option
@click.pass_context
def workers(ctx: click.Context, gone: bool, as_json: bool) -> None:
    """List the workers that serve, with what their last heartbeat told."""
    from scheduler.cli.output import console, local_time, print_json, table

    with read_store(ctx) as store:
        found = store.workers(gone=gone)
    if as_json:
        from dataclasses import asdict

        print_json({"workers": [asdict(worker) for worker in found]})
        return
    shown = table("worker", "host", "cpu", "measured", "busy", "seen", "why", right=["measured"])
    for worker in found:
        busy = worker.stats.get("utilisation")
        shown.add_row(
            worker.id[:8],
            worker.host,
            worker.arch,
            f"{worker.stats.get('measured', 0):.0f}",
            "-" if busy is None else f"{busy:.0%}",
            local_time(worker.seen_at),
            worker.gone_reason or worker.drain_reason or "",
        )
    console().print(shown)


def show_report(found: Report, as_json: bool) -> None:
    """Print a morning report."""
    from scheduler.cli.output import console, print_json, table
    from scheduler.display.text import gain, latency

    if as_json:
        from dataclasses import asdict

        print_json(asdict(found))
        return
    out = console()
    cost = found.cost
    out.print(
        f"campaign {found.campaign}, {found.name}: {found.state}, {found.done} of {found.jobs} "
        f"jobs done",
        markup=False,
    )
    out.print(
        f"cost: {cost.measured} candidates ({cost.failed} failed), {cost.slot_hours:.2f} slot "
        f"hours in {cost.hours:.2f} hours",
        markup=False,
    )
    for title, changes in (
        ("improved", found.improved),
        ("regressed", found.regressed),
        ("newly covered", found.covered),
    ):
        if not changes:
            out.print(f"{title}: none")
            continue
        out.print(f"\n{title}: {len(changes)}")
        shown = table("kernel", "cpu", "before", "after", "gain", right=["before", "after", "gain"])
        for change in changes:
            shown.add_row(
                change.name,
                change.arch,
                latency(change.before.run_secs if change.before else None),
                latency(change.after.run_secs if change.after else None),
                gain(change.speedup),
            )
        out.print(shown)
    for failed in found.failed:
        job = failed.job
        out.print(f"{job.state}: {job.model} {job.arch}/{job.bucket}: {job.reason}", markup=False)
