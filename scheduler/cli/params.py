"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scheduler.cli.errors import BadValue
from scheduler.traffic import LARGEST_BUCKET

if TYPE_CHECKING:
    from db import CpuArch, Store

DEFAULT_DATABASE = "sqlite:///tunefleet.db"
DATABASE_HELP = "Database: sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME."


Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


class BucketList(click.ParamType[tuple[int, ...]]):
    """Batch sizes separated by commas; becomes a tuple, ascending, without repetitions."""

    name = "buckets"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            sizes = {int(part) for part in str(value).split(",")}
        except ValueError:
            self.fail(f"{value!r} is no list of batch sizes; write e.g. 1,16,64", param, ctx)
        for size in sizes:
            if not 1 <= size <= LARGEST_BUCKET:
                self.fail(f"{size} is no batch size from 1 to {LARGEST_BUCKET}", param, ctx)
        return tuple(sorted(sizes))


def remember_database(ctx: click.Context, _param: click.Parameter, url: str | None) -> None:
    """Keep the database's URL where every command finds it, ``ctx.obj["db"]``."""
    shared = ctx.ensure_object(dict)
    shared.setdefault("db", DEFAULT_DATABASE)
    shared.setdefault("db_named", False)
    if url is not None:
        shared["db"], shared["db_named"] = url, True


def database_option(command: Command) -> Command:
    """Take ``--db`` behind the command's name too."""
    option = click.option(
        "--db", metavar="URL", expose_value=False, callback=remember_database, help=DATABASE_HELP
    )
    return option(command)


def json_option(command: Command) -> Command:
    """Take ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def arch_option(help_text: str) -> Callable[[Command], Command]:
    """Take ``--arch`` any number of times."""
    return click.option("--arch", "archs", metavar="ARCH", multiple=True, help=help_text)


def address_options(
    port: int, host_help: str = "Address to listen on."
) -> Callable[[Command], Command]:
    """Take ``--host`` and ``--port``, of commands that serve one."""
    host_option = click.option(
        "--host", metavar="HOST", default="127.0.0.1", show_default=True, help=host_help
    )
    port_option = click.option(
        "--port",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        default=port,
        show_default=True,
        help="Port to listen on; 0 takes a free one.",
    )
    return lambda command: host_option(port_option(command))


def read_store(ctx: click.Context) -> Store:
    """Open the database to look into it; it has to be there."""
    from db import open_store

    return open_store(ctx.obj["db"], create=False, read_only=True)


def write_store(url: str, *, create: bool = True) -> Store:
    """Open the database to add to it; a SQLite file that is missing may be created."""
    from db import open_store

    return open_store(url, create=create)


def database_url(ctx: click.Context, folder: Path | None = None) -> str:
    """URL of the database as any process of this machine understands it.

    Parameters
    ----------
    folder
        Where the default database is, if not in the working directory.
    """
    url: str = ctx.obj["db"]
    if not ctx.obj["db_named"]:
        return f"sqlite:///{(folder or Path()).resolve() / 'tunefleet.db'}"
    if "://" not in url:
        return f"sqlite:///{Path(url).resolve()}"
    if url.startswith("sqlite:///"):
        return f"sqlite:///{Path(url.removeprefix('sqlite:///')).resolve()}"
    return url


def resolve_archs(names: Sequence[str]) -> list[CpuArch]:
    """CPU architectures by the names a user gave, this machine's if there are none."""
    from tuner.arch import host_arch, resolve
    from tuner.errors import UnknownArchitecture

    if not names:
        return [host_arch()]
    try:
        found = [resolve(name) for name in names]
    except UnknownArchitecture as error:
        raise BadValue(str(error)) from error
    return list({arch.name: arch for arch in found}.values())


def require_runnable(archs: Sequence[CpuArch], instead: str) -> None:
    """Refuse architectures whose kernels this machine cannot run; say what to do `instead`."""
    from tuner.arch import host_arch, runs_on

    for arch in archs:
        if not runs_on(arch, host_arch()):
            raise click.ClickException(
                f"kernels for {arch.name} do not run on this machine ({host_arch().name}); "
                f"{instead}"
            )


def is_model_file(text: str) -> bool:
    """Whether `text` is meant as the path of a model rather than as the name of one."""
    return text.endswith((".pt2", ".onnx")) or os.sep in text


def require_model_file(path: Path) -> None:
    """Refuse a model that is not there, before anything is made because of it."""
    if not path.is_file():
        raise click.ClickException(f"{path} is no file; give a .pt2 or .onnx file")


def find_model(ctx: click.Context, model: str) -> tuple[Path, str | None]:
    """File of a model given as such or by its name in the database, and that name."""
    if is_model_file(model):
        path, name = Path(model), None
    else:
        with read_store(ctx) as store:
            path, name = Path(store.model_version(model).source), model
    require_model_file(path)
    return path, name
