"""`tunefleet worker`: this machine as a node of a cluster."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from scheduler.cli.params import database_option, json_option

if TYPE_CHECKING:
    from workers.probe import Probe


@click.command(short_help="Join a cluster: probe this CPU, label the node, serve.")
@click.option(
    "--address",
    metavar="HOST:PORT",
    envvar="RAY_ADDRESS",
    help="Head of the Ray cluster.  [env: RAY_ADDRESS]",
)
@click.option(
    "--arch",
    metavar="ARCH",
    default="host",
    show_default=True,
    help="CPU architecture to measure for: one whose kernels this CPU can run.",
)
@click.option(
    "--slots",
    type=click.IntRange(min=0),
    metavar="N",
    help="Candidates to measure at once, each on a core of its own.  [default: half of the cores]",
)
@click.option(
    "--build-slots",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="Candidates to build at once for the whole cluster, whatever CPU they are for.",
)
@click.option("--probe", "only_probe", is_flag=True, help="Show what would join, and end.")
@json_option
@database_option
def worker(
    address: str | None,
    arch: str,
    slots: int | None,
    build_slots: int,
    only_probe: bool,
    as_json: bool,
) -> None:
    """Join the Ray cluster at --address, and serve until stopped.

    The node is labelled with its CPU, so that it measures the jobs of its own architecture. It
    needs the cluster's token (RAY_AUTH_TOKEN or ~/.ray/auth_token) and reaches the database under
    the URL that the campaign names.
    """
    from workers.probe import probe

    found = probe(arch, slots)
    if only_probe:
        show(found, as_json)
        return
    if not address:
        raise click.UsageError("give the head of the cluster with --address, or look with --probe")
    click.echo(
        f"joining {address} as {found.arch} ({found.cpu}), {found.slots} of {found.cores} cores "
        "measure",
        err=True,
    )
    become(ray_command(found, address, build_slots))


def show(found: Probe, as_json: bool) -> None:
    """Print what was found."""
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(found), "labels": found.labels}, indent=2))
        return
    click.echo(f"{found.host}: {found.cpu}")
    click.echo(f"architecture  {found.arch} ({found.isa_level}, {found.microarchitecture})")
    click.echo(f"cores         {found.cores}, {found.slots} of them measure, the others build")
    click.echo(f"memory        {found.memory / 2**30:.0f} GiB")
    click.echo(f"labels        {', '.join(f'{k}={v}' for k, v in found.labels.items())}")


def ray_command(found: Probe, address: str, build_slots: int) -> list[str]:
    """What starts Ray's node in the foreground."""
    resources = {"measure_slot": found.slots, "build_slot": build_slots}
    return [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        f"--address={address}",
        f"--num-cpus={found.cpus}",
        f"--resources={json.dumps({k: v for k, v in resources.items() if v})}",
        f"--labels={','.join(f'{k}={v}' for k, v in found.labels.items())}",
        "--disable-usage-stats",
        "--block",
    ]


def become(command: list[str]) -> NoReturn:
    """Go on as another program: its signals and its exit code are this command's."""
    env = {
        **os.environ,
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    os.execve(command[0], command, env)
