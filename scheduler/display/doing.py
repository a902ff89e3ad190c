"""A line about what takes a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text


@contextlib.contextmanager
def doing(console: Console, text: str, indent: int = 0) -> Iterator[None]:
    """Show what takes a while, until it is over; nothing where there is no terminal.

    Drawn once: whatever redraws itself takes time from what is being measured.
    """
    if not console.is_terminal:
        yield
        return
    line = Text(f"{' ' * indent}{text} …", style="dim", no_wrap=True, overflow="ellipsis")
    with Live(line, console=console, auto_refresh=False, transient=True):
        yield
