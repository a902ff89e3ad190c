"""`tunefleet export` and `tunefleet rollback`: models as bundles that are served without Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scheduler.cli.params import (
    BucketList,
    arch_option,
    database_option,
    database_url,
    find_model,
    json_option,
    require_runnable,
    resolve_archs,
)

if TYPE_CHECKING:
    from runtime.bundle import Exported

_FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@click.command(short_help="Write a model as a bundle that needs no Python.")
@click.argument("model")
@_FOLDER
@click.option(
    "--buckets",
    type=BucketList(),
    default="1,16,64,256",
    show_default=True,
    metavar="B,B",
    help="Batch sizes that get kernels of their own.",
)
@arch_option("CPU architecture to serve on; may be given again.  [default: host]")
@click.option("--name", metavar="NAME", help="What clients call the model.  [default: its own]")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="Versions that stay in FOLDER, the new one included.",
)
@json_option
@database_option
@click.pass_context
def export(
    ctx: click.Context,
    model: str,
    folder: Path,
    buckets: tuple[int, ...],
    archs: tuple[str, ...],
    name: str | None,
    keep: int,
    as_json: bool,
) -> None:
    """Write MODEL into FOLDER, with the best kernels that the database has.

    MODEL is a .pt2 or .onnx file, or the name of a model that `tunefleet models add` knows. Servers
    that watch FOLDER take the new version over; calls in flight end on the old one.
    """
    path, known_as = find_model(ctx, model)

    # Only now: they take seconds.
    from runtime import Engine
    from runtime.bundle import export as write

    targets = resolve_archs(archs)
    require_runnable(targets, "export on a machine of that architecture: code is timed where it is")
    engines = [Engine(database_url(ctx), arch=arch.name) for arch in targets]
    try:
        models = [engine.load(path, buckets) for engine in engines]
        exported = write(models, folder, name=name or known_as, keep=keep)
    finally:
        for engine in engines:
            engine.close()
    if as_json:
        from scheduler.cli.output import print_json

        print_json(_describe(exported))
        return
    click.echo(f"{exported.folder}: version {exported.version}")
    for arch in exported.archs:
        sizes = ", ".join(str(bucket.batch) for bucket in arch.buckets)
        click.echo(f"  {arch.name}: buckets {sizes}; weights {arch.weights.bytes / 1e6:.1f} MB")
    click.echo(f"  {exported.written / 1e6:.1f} MB written, the rest was there")


@click.command(short_help="Serve a bundle's version before the present one again.")
@_FOLDER
@json_option
@database_option
def rollback(folder: Path, as_json: bool) -> None:
    """Go back to the version of FOLDER before the one that is served.

    Servers that watch FOLDER take it over at once. The present version is forgotten.
    """
    from runtime.bundle import BundleFolder

    with BundleFolder(folder, create=False) as place:
        version = place.roll_back()
    if as_json:
        from scheduler.cli.output import print_json

        print_json({"folder": str(folder), "version": version})
        return
    click.echo(f"{folder}: version {version} is served again")


def _describe(exported: Exported) -> dict[str, Any]:
    return {
        "folder": str(exported.folder),
        "version": exported.version,
        "written_bytes": exported.written,
        "archs": [
            {
                "name": arch.name,
                "weight_bytes": arch.weights.bytes,
                "buckets": [{"batch": b.batch, "seconds": b.seconds} for b in arch.buckets],
            }
            for arch in exported.archs
        ],
    }
