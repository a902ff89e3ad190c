"""`tunefleet status`: campaigns and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scheduler.cli.params import database_option, json_option, read_store

if TYPE_CHECKING:
    from db import CampaignProgress, JobProgress, Store
    from scheduler.display import Snapshot


@click.command(short_help="Show campaigns and jobs.")
@click.argument("campaign", type=click.IntRange(min=1), required=False)
@click.option("--watch", is_flag=True, help="Stay, and show progress until the campaign ends.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    default=10,
    show_default=True,
    help="Campaigns to list.",
)
@json_option
@database_option
@click.pass_context
def status(
    ctx: click.Context, campaign: int | None, watch: bool, limit: int, as_json: bool
) -> None:
    """Show campaigns, and the jobs of CAMPAIGN (a number) or of the newest one.

    With --json and --watch together, every look is one line of JSON.
    """
    with read_store(ctx) as store:
        listed = [store.campaign_progress(campaign)] if campaign else store.campaigns(limit)
        if watch:
            _watch(store, listed, as_json)
        elif as_json:
            _print_json(store, listed)
        elif not listed:
            click.echo("no campaigns yet; start one with: tunefleet tune MODEL")
        else:
            _print(store, listed, named=campaign is not None)


def _watch(store: Store, listed: list[CampaignProgress], as_json: bool) -> None:
    from scheduler.cli.interrupts import stoppable
    from scheduler.cli.output import console, print_json_line
    from scheduler.display import Observer, follow

    if not listed:
        raise click.ClickException("no campaigns yet; start one with: tunefleet tune MODEL")
    watched = next((c.campaign_id for c in listed if c.unfinished), listed[0].campaign_id)

    def line(_snapshot: Snapshot) -> None:
        print_json_line(describe(store, store.campaign_progress(watched)))

    with stoppable("the campaign itself goes on"):
        follow(Observer(store, watched), console(), print_line=line if as_json else None)


def _print_json(store: Store, listed: list[CampaignProgress]) -> None:
    from scheduler.cli.output import print_json

    print_json({"campaigns": [describe(store, campaign) for campaign in listed]})


def _print(store: Store, listed: list[CampaignProgress], *, named: bool) -> None:
    from scheduler.cli.output import console, local_time, table
    from scheduler.display import Observer, screen_of

    out = console()
    if not named:
        numbers = ["id", "jobs done", "trials", "failed"]
        overview = table("id", "name", "strategy", "state", *numbers[1:], "started", right=numbers)
        for campaign in listed:
            overview.add_row(
                str(campaign.campaign_id),
                campaign.name,
                campaign.strategy,
                campaign.state,
                f"{_done(campaign)}/{sum(campaign.jobs.values())}",
                str(campaign.measurements),
                str(sum(campaign.errors.values())),
                local_time(campaign.started_at),
            )
        out.print(overview)
        out.print()
    snapshot = Observer(store, listed[0].campaign_id).snapshot()
    out.print(screen_of(snapshot, out.width, height=10_000))


def _done(campaign: CampaignProgress) -> int:
    from db import JobState

    return campaign.jobs[JobState.DONE]


def describe(store: Store, campaign: CampaignProgress) -> dict[str, Any]:
    """A campaign with its jobs, for programs."""
    return {
        "id": campaign.campaign_id,
        "name": campaign.name,
        "state": campaign.state,
        "strategy": campaign.strategy,
        "trials": campaign.trials,
        "seconds": campaign.seconds,
        "measurements": campaign.measurements,
        "errors": dict(campaign.errors),
        "started_at": campaign.started_at,
        "updated_at": campaign.updated_at,
        "finished_at": campaign.finished_at,
        "jobs": [_describe_job(job) for job in store.job_progress(campaign.campaign_id)],
    }


def _describe_job(progress: JobProgress) -> dict[str, Any]:
    job = progress.job
    return {
        "id": job.id,
        "model": job.model,
        "arch": job.arch,
        "bucket": job.bucket,
        "state": job.state,
        "attempt": job.attempt,
        "failures": job.failures,
        "worker": job.worker,
        "reason": job.reason,
        "measurements": progress.measurements,
        "errors": dict(progress.errors),
        "workloads": progress.tasks,
        "tuned": progress.tuned,
        "best_secs": progress.best_total,
        "default_secs": progress.default_total,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }
