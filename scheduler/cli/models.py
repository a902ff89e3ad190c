"""`tunefleet models`: which models there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scheduler.cli.params import (
    BucketList,
    database_option,
    database_url,
    json_option,
    read_store,
    require_model_file,
    write_store,
)
from scheduler.errors import SchedulerError

if TYPE_CHECKING:
    from db import StoredModelVersion

DEFAULT_BUCKETS = (1, 16, 64, 256)


@click.group()
def models() -> None:
    """Add models and list them."""


@models.command("add")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="Name of the model.  [default: that of the file]")
@click.option(
    "--buckets",
    type=BucketList(),
    metavar="LIST",
    help="Batch sizes to tune for.  [default: those of --traffic, else 1,16,64,256]",
)
@click.option(
    "--traffic",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='Share of the calls per batch size, as JSON: {"1": 0.2, "16": 0.8}.',
)
@database_option
@click.pass_context
def add(
    ctx: click.Context,
    path: Path,
    name: str | None,
    buckets: tuple[int, ...] | None,
    traffic: Path | None,
) -> None:
    """Add the model in the file PATH (.pt2 or .onnx), or a new version of it."""
    require_model_file(path)
    from scheduler.traffic import read_traffic

    shares = read_traffic(traffic) if traffic else None
    if shares is not None and buckets is not None and set(shares) != set(buckets):
        listed = ",".join(map(str, sorted(shares)))
        raise click.UsageError(f"--traffic names the batch sizes {listed}, --buckets others")
    sizes = buckets or (tuple(shares) if shares else DEFAULT_BUCKETS)

    from scheduler.campaigns import add_model
    from scheduler.cli.quiet import quiet

    with quiet(), write_store(database_url(ctx)) as store:
        version = add_model(store, path.absolute(), name=name, buckets=sizes, traffic=shares)
    listed = ", ".join(map(str, sorted(version.traffic)))
    click.echo(f"{version.model}: version {version.id}, buckets {listed}")
    click.echo(f"tune it with: tunefleet tune {version.model}")


@models.command("list")
@json_option
@database_option
@click.pass_context
def list_models(ctx: click.Context, as_json: bool) -> None:
    """List the models, each in its latest version."""
    from scheduler.cli import output

    with read_store(ctx) as store:
        found = store.models()
    if as_json:
        output.print_json({"models": [describe(version) for version in found]})
        return
    if not found:
        click.echo("no models yet; add one with: tunefleet models add PATH")
        return
    table = output.table("model", "version", "buckets", "seen last", "source", right=["version"])
    # The end of a path says more than its beginning.
    table.columns[-1].no_wrap = False
    table.columns[-1].overflow = "fold"
    for version in found:
        table.add_row(
            version.model,
            str(version.id),
            ",".join(map(str, sorted(version.traffic))),
            output.local_time(version.seen_at),
            version.source,
        )
    output.console().print(table)


@models.command("buckets")
@click.argument("traffic", type=click.Path(path_type=Path))
@click.option(
    "--most", type=click.IntRange(1, 64), default=5, show_default=True, help="Buckets at most."
)
@click.option("--model", metavar="NAME", help="Weigh padding by this model's tuned latencies.")
@click.option("--arch", metavar="ARCH", default="host", show_default=True, help="For --model.")
@json_option
@database_option
@click.pass_context
def buckets(
    ctx: click.Context, traffic: Path, most: int, model: str | None, arch: str, as_json: bool
) -> None:
    """Propose buckets for the histogram in the file TRAFFIC: share of the calls per batch size."""
    from scheduler.buckets import DEFAULT_COST, measured_cost, propose
    from scheduler.cli import output
    from scheduler.traffic import read_traffic

    shares = read_traffic(traffic)
    cost = DEFAULT_COST
    if model is not None:
        with read_store(ctx) as store:
            known = measured_cost(store, model, arch)
        if known is None:
            raise SchedulerError(
                f"{model} has fewer than two tuned buckets on {arch}; leave out --model"
            )
        cost = known
    proposal = propose(shares, most, cost)
    if as_json:
        output.print_json({"buckets": list(proposal.edges), "overhead": proposal.overhead})
        return
    listed = ",".join(map(str, proposal.edges))
    click.echo(f"{listed}: a call costs {proposal.overhead:.2f}x of one that is not padded")
    click.echo(f"use them with: tunefleet models add PATH --buckets {listed}")


def describe(version: StoredModelVersion) -> dict[str, Any]:
    """A model version for programs."""
    return {
        "id": version.id,
        "name": version.model,
        "digest": version.digest,
        "source": version.source,
        "inputs": dict(version.input_schema),
        "buckets": sorted(version.traffic),
        "traffic": {str(batch): share for batch, share in sorted(version.traffic.items())},
        "added_at": version.added_at,
        "seen_at": version.seen_at,
    }
