"""`tunefleet serve`: a model over HTTP, from Python."""

from __future__ import annotations

import click

from scheduler.cli.params import (
    BucketList,
    address_options,
    database_option,
    database_url,
    find_model,
)


@click.command(short_help="Serve a model over HTTP, for development.")
@click.argument("model")
@click.option(
    "--buckets",
    type=BucketList(),
    default="1,16,64,256",
    show_default=True,
    metavar="B,B",
    help="Batch sizes that get kernels of their own.",
)
@click.option("--name", metavar="NAME", help="What clients call the model.  [default: its own]")
@address_options(8000)
@database_option
@click.pass_context
def serve(
    ctx: click.Context,
    model: str,
    buckets: tuple[int, ...],
    name: str | None,
    host: str,
    port: int,
) -> None:
    """Serve MODEL by the Open Inference Protocol v2, with the best kernels that the database has.

    MODEL is a .pt2 or .onnx file, or the name of a model that `tunefleet models add` knows.
    Production serves a bundle with tunefleet-serve, by the same protocol: see `tunefleet export`.
    """
    path, known_as = find_model(ctx, model)

    # Only now: they take seconds.
    import uvicorn

    from runtime import Engine
    from runtime.serving import ServedModel, create_app
    from scheduler.cli.interrupts import stoppable
    from scheduler.cli.listening import listen

    with listen(host, port) as taken, Engine(database_url(ctx)) as engine:
        loaded = engine.load(path, buckets)
        app = create_app(ServedModel.of(loaded, name or known_as or path.stem))
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        server = uvicorn.Server(config)
        # Who connects from now on waits until the server takes them.
        taken.listen(config.backlog)
        click.echo(f"http://{host}:{taken.getsockname()[1]}/v2", err=True)
        with stoppable("start it again to serve on"):
            server.run(sockets=[taken])
