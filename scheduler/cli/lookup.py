"""`tunefleet lookup`: which kernels the database has for one batch of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scheduler.cli.params import database_option, json_option, read_store, resolve_archs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db import BestRecord, Task


#: From this width on the table has room for dates.
_WIDE = 100


@click.command(short_help="Show the kernels that serve a batch.")
@click.argument("model")
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="B", required=True, help="Size of the batch."
)
@click.option(
    "--arch",
    metavar="ARCH",
    help="CPU architecture: host, avx2, avx512 or LLVM's name for a CPU.  [default: host]",
)
@json_option
@database_option
@click.pass_context
def lookup(ctx: click.Context, model: str, batch: int, arch: str | None, as_json: bool) -> None:
    """Show the kernels that serve a batch of MODEL, and how fast each of them is.

    A kernel without a record gets the default schedule of its template.
    """
    with read_store(ctx) as store:
        version = store.model_version(model)

        # Only now: it takes a second to ask the compiler which versions its records depend on.
        from tuner.arch import toolchain

        found = resolve_archs([arch] if arch else [])[0].name
        buckets = store.buckets(version.id, found)
        if not buckets:
            raise click.ClickException(
                f"{model} was never tuned for {found}; run: tunefleet tune {model} --arch {found}"
            )
        bucket = serving_bucket(batch, buckets)
        key = toolchain().key
        tasks = store.tasks(version.id, found, bucket)
        records = store.lookup(version.id, bucket, found, key)
    if as_json:
        from scheduler.cli.output import print_json

        kernels = [_describe(task, records.get(task.workload.digest)) for task in tasks]
        print_json(
            {
                "model": version.model,
                "model_version": version.id,
                "arch": found,
                "toolchain": key,
                "batch": batch,
                "bucket": bucket,
                "from_database": sum(kernel["served_by"] == "record" for kernel in kernels),
                "kernels": kernels,
            }
        )
        return
    click.echo(f"{version.model}, batch {batch} on {found}: kernels of bucket {bucket}")
    click.echo()
    _print(tasks, records)


def serving_bucket(batch: int, buckets: Sequence[int]) -> int:
    """The bucket whose kernels serve a batch: the smallest that holds it, else the largest."""
    return min((b for b in buckets if b >= batch), default=max(buckets))


def _print(tasks: Sequence[Task], records: Mapping[str, BestRecord]) -> None:
    from scheduler.cli.output import console, local_time, table
    from scheduler.display.text import gain, latency

    out = console()
    numbers = ["calls", "best", "default", "gain"]
    # The name says most: it keeps its room on a narrow terminal.
    last = ["recorded"] if out.width >= _WIDE else []
    shown = table("kernel", *numbers, "found by", *last, right=numbers)
    shown.columns[0].no_wrap = False
    for task in tasks:
        record = records.get(task.workload.digest)
        cells = [task.workload.name, str(task.calls)]
        if record is None:
            cells += ["-", "-", "-", "(default)", "-"]
        else:
            faster = record.default_secs / record.run_secs if record.default_secs else None
            cells += [
                latency(record.run_secs),
                latency(record.default_secs),
                gain(faster),
                record.strategy,
                local_time(record.recorded_at),
            ]
        shown.add_row(*cells[: len(shown.columns)])
    out.print(shown)
    tuned = [task for task in tasks if task.workload.digest in records]
    total = sum(task.calls * records[task.workload.digest].run_secs for task in tuned)
    took = f", {latency(total)} together" if tuned else ""
    out.print(f"\n{len(tuned)} of {len(tasks)} kernels from the database{took}", markup=False)


def _describe(task: Task, record: BestRecord | None) -> dict[str, Any]:
    workload = task.workload
    return {
        "workload": workload.digest,
        "name": workload.name,
        "op_kind": workload.op_kind,
        "calls": task.calls,
        "served_by": "default" if record is None else "record",
        "run_secs": None if record is None else record.run_secs,
        "default_secs": None if record is None else record.default_secs,
        "strategy": None if record is None else record.strategy,
        "config": None if record is None or record.config is None else dict(record.config),
        "measurement": None if record is None else record.measurement_uid,
        "recorded_at": None if record is None else record.recorded_at,
    }
