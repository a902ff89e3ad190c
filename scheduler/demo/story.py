"""How the demo talks: steps with a title, what happens in them, and how long each took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from scheduler.display.text import duration


class Story:
    """Prints the demo's steps and remembers their times."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._steps: list[tuple[str, float]] = []

    def title(self, text: str, details: str) -> None:
        """Print what this is about."""
        self.console.print(Text.assemble((text, "bold"), f" {details}"))

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step of the demo."""
        number = len(self._steps) + 1
        self.console.print()
        self.console.print(Text.assemble((f"{number}  {title}", "bold cyan")))
        start = time.monotonic()
        yield
        self._steps.append((title, time.monotonic() - start))

    def say(self, text: str, style: str = "") -> None:
        """Print a line of a step."""
        self.console.print(Padding(Text(text, style=style), (0, 0, 0, 3)))

    def show(self, what: RenderableType) -> None:
        """Print a table of a step."""
        self.console.print(Padding(what, (0, 0, 0, 3)))

    @contextlib.contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Show what takes a while, until it is over; nothing where there is no terminal.

        Drawn once: whatever redraws itself takes time from what is being measured.
        """
        if not self.console.is_terminal:
            yield
            return
        line = Text(f"   {text} …", style="dim", no_wrap=True, overflow="ellipsis")
        with Live(line, console=self.console, auto_refresh=False, transient=True):
            yield

    def end(self) -> None:
        """Print how long everything took."""
        total = sum(secs for _, secs in self._steps)
        parts = ", ".join(f"{title.lower()} {duration(secs)}" for title, secs in self._steps)
        self.console.print()
        self.console.print(Text.assemble((f"{duration(total)} in all", "bold"), f": {parts}"))
