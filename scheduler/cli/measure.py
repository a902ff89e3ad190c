"""`tunefleet measure`: one stored measurement, made again on this machine."""

from __future__ import annotations

import click

from scheduler.cli.params import database_option, json_option, read_store, require_runnable


@click.command(short_help="Measure a stored candidate again on this machine.")
@click.argument("uid", metavar="MEASUREMENT")
@json_option
@database_option
@click.pass_context
def measure(ctx: click.Context, uid: str, as_json: bool) -> None:
    """Build and measure the candidate of MEASUREMENT again, and show both figures.

    MEASUREMENT is as the dashboard and `tunefleet lookup --json` name it. Nothing is stored.
    """
    from scheduler.cli.output import print_json
    from scheduler.display.text import gain, latency
    from workers.tools import LocalTools, NoFreeCore

    with read_store(ctx) as store:
        stored = store.measurement(uid)
        workload = store.workloads([stored.workload])[stored.workload]
        arch = next(a for a in store.archs() if a.name == stored.arch)
    require_runnable([arch], f"measure it on a machine that is a {arch.name}")
    try:
        tools = LocalTools()()
    except NoFreeCore as error:
        raise click.ClickException(f"{error}; try again when they are done") from error
    try:
        # `Measurement` allows any knob value; those of templates are numbers.
        built = tools.builder.build(workload.tir, arch, config=stored.config, trace=stored.trace)
        failure = built.failure
        if built.code is not None:
            ran = tools.measurer.run(workload.digest, workload.tir, built.code, best=None)
            failure = ran.failure
    finally:
        tools.close()
    again = None if failure is not None else ran.median
    if as_json:
        print_json(
            {
                "measurement": uid,
                "workload": stored.workload,
                "arch": stored.arch,
                "stored": {
                    "median": stored.median,
                    "run_secs": stored.run_secs,
                    "error_kind": stored.error_kind,
                    "error_text": stored.error_text,
                    "host": stored.host,
                    "calibration": stored.calibration,
                },
                "again": {
                    "median": again,
                    "run_secs": () if failure is not None else ran.run_secs,
                    "error_kind": None if failure is None else failure.kind,
                    "error_text": None if failure is None else failure.text,
                    "calibration": {} if failure is not None else ran.calibration,
                },
            }
        )
        return
    click.echo(f"{workload.name} on {stored.arch}, found by {stored.strategy}")
    click.echo(f"then, on {stored.host or '?'}: {_told(stored.median, stored.error_text)}")
    click.echo(f"now, on core {tools.core}: {_told(again, failure.text if failure else None)}")
    if again is not None and stored.median is not None:
        click.echo(f"{latency(stored.median)} then, {latency(again)} now: "
                   f"{gain(stored.median / again)}")  # fmt: skip


def _told(median: float | None, error: str | None) -> str:
    from scheduler.display.text import latency

    return latency(median) if median is not None else f"failed: {error or 'no reason given'}"
