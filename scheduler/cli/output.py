"""How commands print: JSON for programs, tables for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_json(value: Any) -> None:
    """Print a value as JSON, times as ISO 8601."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def print_json_line(value: Any) -> None:
    """Print a value as JSON on one line, for programs that read on."""
    click.echo(json.dumps(value, default=_plain))


def console() -> Console:
    """Where tables go: standard output, as wide as the terminal."""
    from rich.console import Console

    # Into a file or a pipe nothing is cut that a terminal would have to cut.
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    # Highlighting would colour every number; colour is kept for what matters.
    return Console(highlight=False, width=wide)


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table without lines but the one under its head; the columns in `right` hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return made


def local_time(moment: datetime | None) -> str:
    """A moment of the database's clock as the clock on the wall shows it."""
    return "-" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
