"""The root command: finds the others when they are needed, and ends every one in one way.

Nothing is imported here but click, so that ``--help`` and completion are quick.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from scheduler.cli.errors import end_with
from scheduler.cli.params import (
    DATABASE_HELP,
    DEFAULT_DATABASE,
    database_option,
    remember_database,
)

#: Command -> where it lives.
COMMANDS: Mapping[str, str] = {
    "demo": "scheduler.cli.demo:demo",
    "models": "scheduler.cli.models:models",
    "tune": "scheduler.cli.tune:tune",
    "status": "scheduler.cli.status:status",
    "lookup": "scheduler.cli.lookup:lookup",
    "nightly": "scheduler.cli.nightly:nightly",
    "campaign": "scheduler.cli.campaign:campaign",
    "workers": "scheduler.cli.campaign:workers",
    "drain": "scheduler.cli.campaign:drain",
    "dashboard": "scheduler.cli.dashboard:dashboard",
    "report": "scheduler.cli.dashboard:report",
    "export": "scheduler.cli.export:export",
    "rollback": "scheduler.cli.export:rollback",
    "serve": "scheduler.cli.serve:serve",
    "measure": "scheduler.cli.measure:measure",
    "metrics": "scheduler.cli.metrics:metrics",
    "worker": "scheduler.cli.worker:worker",
    "db": "db.cli:db_group",
}


class Root(click.Group):
    """Knows its commands by name, and turns every exception into a line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, place in COMMANDS.items() if _exists(place)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None or not _exists(place):
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        if cmd_name == "db":
            _take_database(command)
            ctx.ensure_object(dict)["make_codec"] = _make_codec
        return command

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except (Exception, KeyboardInterrupt) as error:
            end_with(error)
        sys.exit(code if isinstance(code, int) else 0)


def _take_database(group: click.Command) -> None:
    """Let the commands of a group from elsewhere take ``--db`` as all others do."""
    assert isinstance(group, click.Group)
    for command in group.commands.values():
        if all(param.human_readable_name != "db" for param in command.params):
            database_option(command)


def _make_codec() -> Any:
    # Late: only the exchange with TVM needs the compiler.
    from scheduler.exchange import TunerCodec

    return TunerCodec()


def _exists(place: str) -> bool:
    module = place.partition(":")[0]
    return importlib.util.find_spec(module) is not None


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    # Late: the metadata of installed packages takes a while to find.
    from importlib import metadata

    try:
        click.echo(f"tunefleet {metadata.version('tunefleet')}")
    except metadata.PackageNotFoundError:
        click.echo("tunefleet (not installed: run from its sources)")
    ctx.exit()


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--db",
    metavar="URL",
    envvar="TUNEFLEET_DB",
    expose_value=False,
    callback=remember_database,
    help=f"{DATABASE_HELP}  [env: TUNEFLEET_DB; default: {DEFAULT_DATABASE}]",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Tune the kernels of ads-ranking models on a fleet of CPUs, and serve the best ones found."""
