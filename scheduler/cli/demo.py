"""`tunefleet demo`: the whole story on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scheduler.cli.params import (
    BucketList,
    arch_option,
    database_option,
    database_url,
    require_model_file,
    require_runnable,
    resolve_archs,
)

if TYPE_CHECKING:
    from db import Store
    from scheduler.display import Snapshot

GO_ON = "what was measured is stored: run the same command again to go on"


@click.command(short_help="The whole story on this machine, in minutes.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Model to take, .pt2 or .onnx.  [default: the shipped example, a DLRM]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    default=150.0,
    help="Time that tuning may take, over all jobs.  [default: 150]",
)
@click.option(
    "--buckets",
    type=BucketList(),
    metavar="LIST",
    default="1,16,64,256",
    show_default=True,
    help="Batch sizes to tune for.",
)
@arch_option("CPU architecture, one that this machine can run; repeatable.  [default: host]")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=".",
    help="Where files and the database are made.  [default: the working directory]",
)
@database_option
@click.pass_context
def demo(
    ctx: click.Context,
    model: Path | None,
    seconds: float,
    buckets: tuple[int, ...],
    archs: tuple[str, ...],
    folder: Path,
) -> None:
    """Tune a model, serve it with the kernels found, refresh its weights: in minutes.

    Every measurement is stored. A demo that was cut off goes on when it is started again.
    """
    from scheduler.cli.interrupts import stoppable
    from scheduler.cli.output import console
    from scheduler.cli.quiet import quiet
    from scheduler.cli.run import run_campaign
    from scheduler.cli.tune import exit_code, summarise
    from scheduler.demo import DemoOptions, run_demo

    if model is not None:
        require_model_file(model)
    url = database_url(ctx, folder)

    def run(store: Store, campaign_id: int, slots: int) -> Snapshot:
        return run_campaign(store, campaign_id, url=url, slots=slots)

    with stoppable(GO_ON), quiet(make_folder(folder) / "demo.log"):
        wanted = resolve_archs(archs)
        require_runnable(wanted, "leave --arch out, or name another one")
        options = DemoOptions(
            url=url,
            folder=folder,
            archs=tuple(wanted),
            model=model,
            buckets=buckets,
            seconds=seconds,
            db_flag=_db_flag(ctx, url, folder),
        )
        end = run_demo(options, console(), run)
    summarise(end)
    ctx.exit(exit_code(end))


def make_folder(folder: Path) -> Path:
    """Make the folder of the demo's files, or say that this is no place for it."""
    files = folder / "tunefleet-demo"
    try:
        files.mkdir(parents=True, exist_ok=True)
        why = "" if os.access(files, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        place = "the working directory" if folder == Path() else str(folder)
        raise click.ClickException(
            f"cannot write to {place}: {why}; choose another folder with --dir"
        )
    return files


def _db_flag(ctx: click.Context, url: str, folder: Path) -> str:
    if ctx.obj["db_named"]:
        return f"--db {ctx.obj['db']}"
    return "" if folder.resolve() == Path.cwd() else f"--db {url}"
