"""`tunefleet tune`: one campaign, run to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scheduler.cli.params import (
    BucketList,
    arch_option,
    database_option,
    database_url,
    is_model_file,
    require_model_file,
    require_runnable,
    resolve_archs,
    write_store,
)

if TYPE_CHECKING:
    from db import Store, StoredModelVersion
    from scheduler.display import Snapshot

#: Budget of a job where none is given.
DEFAULT_SECONDS = 60.0
GO_ON = "what was measured is stored: run the same command again to go on"


@click.command(short_help="Tune a model and show how it goes.")
@click.argument("model")
@arch_option(
    "CPU architecture: host, avx2, avx512 or LLVM's name for a CPU; repeatable.  [default: host]"
)
@click.option(
    "--bucket",
    "buckets",
    type=BucketList(),
    metavar="LIST",
    multiple=True,
    help="Batch sizes to tune for; repeatable.  [default: those the model was added with]",
)
@click.option(
    "--strategy",
    type=click.Choice(["auto", "autotvm", "ansor"]),
    default="auto",
    show_default=True,
    help="How candidates are found: autotvm searches the knobs of schedule templates, ansor the "
    "sketches that are derived from each kernel.",
)
@click.option(
    "--searcher",
    type=click.Choice(["xgb", "genetic", "random", "grid"]),
    default="xgb",
    show_default=True,
    help="How the knobs of a template are searched: xgb learns from all that was ever measured.",
)
@click.option(
    "--trials", type=click.IntRange(min=1), metavar="N", help="Budget of each job, in candidates."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help=f"Budget of each job, in seconds.  [default: {DEFAULT_SECONDS:.0f} without --trials]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of every random choice.",
)
@click.option("--ray-address", metavar="ADDR", help="Ray cluster to use.  [default: this machine]")
@click.option(
    "--executor",
    type=click.Choice(["ray", "inprocess"]),
    default="ray",
    show_default=True,
    help="Who works: Ray's workers, or this process, one job after the other.",
)
@database_option
@click.pass_context
def tune(
    ctx: click.Context,
    model: str,
    archs: tuple[str, ...],
    buckets: tuple[tuple[int, ...], ...],
    strategy: str,
    searcher: str,
    trials: int | None,
    seconds: float | None,
    seed: int,
    ray_address: str | None,
    executor: str,
) -> None:
    """Tune MODEL: the name of a model that was added, or the path of one, which is added first.

    There is one job per CPU architecture and batch size. A campaign that was cut off goes on when
    the same command is given again.
    """
    if ray_address and executor != "ray":
        raise click.UsageError("--ray-address needs --executor ray")
    if trials is None and seconds is None:
        seconds = DEFAULT_SECONDS
    from_file = is_model_file(model)
    if from_file:
        require_model_file(Path(model))
    url = database_url(ctx)

    from scheduler.campaigns import start_campaign
    from scheduler.cli.interrupts import stoppable
    from scheduler.cli.quiet import quiet
    from scheduler.cli.run import run_campaign

    sizes = sorted({size for some in buckets for size in some})
    with stoppable(GO_ON), quiet(), write_store(url, create=from_file) as store:
        version = _version(store, model, sizes)
        wanted = resolve_archs(archs)
        if not ray_address:
            require_runnable(wanted, "name a cluster that has such CPUs with --ray-address")
        campaign_id, resumed = start_campaign(
            store,
            version,
            archs=[arch.name for arch in wanted],
            buckets=sizes or sorted(version.traffic),
            strategy=strategy,
            searcher=searcher,
            trials=trials,
            seconds=seconds,
            seed=seed,
        )
        if resumed:
            announce_resumed(store, campaign_id)
        end = run_campaign(store, campaign_id, url=url, kind=executor, ray_address=ray_address)
    summarise(end)
    ctx.exit(exit_code(end))


def announce_resumed(store: Store, campaign_id: int) -> None:
    """Say that an unfinished campaign goes on, and how much of it is there already."""
    known = store.campaign_progress(campaign_id).measurements
    there = "1 measurement" if known == 1 else f"{known} measurements"
    click.echo(f"resuming campaign {campaign_id}: {there} already there")


def exit_code(end: Snapshot) -> int:
    """0 if every job is done, 3 if some are, 1 if none is."""
    from scheduler.cli.errors import SOME_FAILED

    if not end.failed:
        return 0
    return SOME_FAILED if end.done else 1


def summarise(end: Snapshot) -> None:
    """Say what went wrong, job by job, and what to do about it."""
    for job in end.jobs:
        if job.failed:
            why = f": {' '.join(job.reason.split())}" if job.reason else ""
            click.echo(f"error: {job.arch}/{job.bucket} {job.state}{why}", err=True)
    if end.failed:
        click.echo("jobs that failed are tried anew by running the same command again", err=True)


def _version(store: Store, model: str, sizes: list[int]) -> StoredModelVersion:
    if not is_model_file(model):
        return store.model_version(model)
    from scheduler.campaigns import add_model
    from scheduler.cli.models import DEFAULT_BUCKETS

    return add_model(store, Path(model).absolute(), buckets=sizes or DEFAULT_BUCKETS)
