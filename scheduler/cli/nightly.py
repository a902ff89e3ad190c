"""`tunefleet nightly`: campaigns that return by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scheduler.cli.params import (
    BucketList,
    Command,
    arch_option,
    database_option,
    database_url,
    json_option,
    read_store,
    resolve_archs,
    write_store,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from db import Store
    from scheduler.nightly.night import Night


@click.group()
def nightly() -> None:
    """Schedule campaigns, and run those that are due."""


class Weights(click.ParamType[tuple[str, float]]):
    """A model and its traffic, ``NAME=NUMBER``."""

    name = "weight"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        model, _, number = str(value).rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if not model or not 0.0 < weight < float("inf"):
            self.fail(f"{value!r} is no weight of a model; write e.g. dlrm=3", param, ctx)
        return model, weight


@nightly.command()
@click.argument("name")
@click.option(
    "--cron",
    metavar="EXPR",
    default="0 2 * * *",
    show_default=True,
    help="When: minute, hour, day of the month, month, day of the week.",
)
@click.option("--zone", metavar="ZONE", default="UTC", show_default=True, help="Its time zone.")
@click.option(
    "--model", "models", metavar="NAME", multiple=True, help="Model; repeatable.  [default: all]"
)
@click.option(
    "--watch",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder whose .pt2 and .onnx files are added before each night.",
)
@click.option(
    "--weight",
    "weights",
    type=Weights(),
    metavar="NAME=W",
    multiple=True,
    help="Traffic of a model, relative to the others' 1; repeatable.",
)
@arch_option("CPU architecture, as with tune; repeatable.  [default: host]")
@click.option(
    "--bucket", "buckets", type=BucketList(), metavar="LIST", help="Batch sizes.  [default: each's]"
)
@click.option(
    "--strategy",
    type=click.Choice(["auto", "autotvm", "ansor"]),
    default="auto",
    show_default=True,
    help="How candidates are found.",
)
@click.option(
    "--total-trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="Budget of a night, in candidates: split by traffic and expected gain.",
)
@click.option(
    "--trials", type=click.IntRange(min=1), metavar="N", help="Budget of each job, in candidates."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Budget of each job, in seconds.  [default: 600, if no other is given]",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    metavar="H",
    help="Time after which a night ends, whatever is left.",
)
@click.option(
    "--stale-days",
    type=click.FloatRange(min=0),
    metavar="D",
    default=30.0,
    show_default=True,
    help="Records older than this are tuned again before those that are not.",
)
@database_option
@click.pass_context
def add(ctx: click.Context, /, name: str, cron: str, **given: Any) -> None:
    """Add the schedule NAME, or replace it: it is then due for no moment before now."""
    from scheduler.nightly.cron import next_time
    from scheduler.nightly.spec import NightSpec

    resolve_archs(given["archs"])
    if not any(given[budget] for budget in ("total_trials", "trials", "seconds")):
        given["seconds"] = 600.0
    given["archs"] = given["archs"] or ("host",)
    given["buckets"] = given["buckets"] or ()
    given["weights"] = dict(given["weights"])
    given["watch"] = str(given["watch"].resolve()) if given["watch"] else ""
    spec = NightSpec(**given)
    schedule = spec.to_schedule(name, cron)
    with write_store(database_url(ctx)) as store:
        store.put_schedule(schedule)
        first = next_time(cron, spec.zone, store.now())
    click.echo(f"{name}: first due {first:%Y-%m-%d %H:%M} UTC")


@nightly.command("list")
@json_option
@database_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the schedules, and when each is due next."""
    from scheduler.cli.output import console, local_time, print_json, table
    from scheduler.nightly.cron import next_time
    from scheduler.nightly.spec import NightSpec

    with read_store(ctx) as store:
        now = store.now()
        found = [
            (schedule, spec, next_time(schedule.when, spec.zone, now))
            for schedule in store.schedules()
            for spec in [NightSpec.of(schedule)]
        ]
    if as_json:
        listed = [
            {"name": s.name, "cron": s.when, "enabled": s.enabled, "next": at, **dict(s.spec)}
            for s, _, at in found
        ]
        print_json({"schedules": listed})
        return
    shown = table("schedule", "cron", "zone", "next", "models", "architectures")
    for schedule, spec, at in found:
        shown.add_row(
            schedule.name,
            schedule.when,
            spec.zone,
            local_time(at),
            ", ".join(spec.models) or "all",
            ", ".join(spec.archs),
        )
    console().print(shown)


@nightly.command()
@click.argument("name")
@database_option
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Remove the schedule NAME; a night that runs goes on."""
    with write_store(database_url(ctx), create=False) as store:
        store.remove_schedule(name)
    click.echo(f"{name}: removed")


def _execution(command: Command) -> Command:
    """Take the options that say who works."""
    for option in (
        click.option(
            "--executor",
            type=click.Choice(["ray", "inprocess"]),
            default="ray",
            show_default=True,
            help="Who works, as with tune.",
        ),
        click.option(
            "--ray-address", metavar="ADDR", help="Ray cluster to use.  [default: this machine]"
        ),
    ):
        command = option(command)
    return command


@nightly.command()
@_execution
@database_option
@click.pass_context
def run(ctx: click.Context, executor: str, ray_address: str | None) -> None:
    """Run what is due, and what a caller that was killed left unfinished; then end.

    Safe to call twice, or from many machines: each night happens once.
    """
    from scheduler.cli.errors import SOME_FAILED
    from scheduler.nightly.daemon import run_due

    url = database_url(ctx)
    with write_store(url) as store:
        nights = run_due(store, _work(store, url, executor, ray_address))
        bad = [n for n in nights if n.refused or _failed(store, n)]
    if not nights:
        click.echo("nothing is due")
    if bad:
        ctx.exit(SOME_FAILED)


@nightly.command()
@_execution
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Serve Prometheus metrics there.",
)
@database_option
@click.pass_context
def daemon(
    ctx: click.Context, executor: str, ray_address: str | None, metrics_port: int | None
) -> None:
    """Run what is due, for ever. Logs go to standard error, as JSON off a terminal."""
    import time

    from db import open_store
    from scheduler.cli.interrupts import stoppable
    from scheduler.executors.base import PATIENCE_S
    from scheduler.nightly.daemon import run_for_ever
    from workers.logs import log_to

    log_to()
    url = database_url(ctx)
    with (
        stoppable("start it again to go on with what is unfinished"),
        open_store(url, patience_s=PATIENCE_S) as store,
    ):
        if metrics_port is not None:
            from scheduler.metrics import serve_metrics

            serve_metrics(store, metrics_port)
        run_for_ever(store, _work(store, url, executor, ray_address), time.sleep)


def _failed(store: Store, night: Night) -> bool:
    return store.campaign_progress(night.campaign).state == "failed"


def _work(
    store: Store, url: str, executor: str, ray_address: str | None
) -> Callable[[Night], None]:
    """What is done with a night: its jobs are run, then its report is printed."""
    from scheduler.cli.campaign import show_report
    from scheduler.cli.run import run_campaign
    from scheduler.nightly.report import report

    def work(night: Night) -> None:
        for name, reason in sorted(night.refused.items()):
            click.echo(f"error: {name}: {reason}", err=True)
        run_campaign(store, night.campaign, url=url, kind=executor, ray_address=ray_address)
        show_report(report(store, night.campaign), as_json=False)

    return work
