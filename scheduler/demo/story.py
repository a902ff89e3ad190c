"""How the demo talks: steps with a title, what happens in them, and how long each took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from scheduler.display.doing import doing
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
        self.console.print(_indented(Text(text, style=style)))

    def show(self, what: RenderableType) -> None:
        """Print a table of a step."""
        self.console.print(_indented(what))

    def doing(self, text: str) -> contextlib.AbstractContextManager[None]:
        """Show what a step is at, until it is over."""
        return doing(self.console, text, indent=3)

    def end(self) -> None:
        """Print how long everything took."""
        total = sum(secs for _, secs in self._steps)
        parts = ", ".join(f"{title.lower()} {duration(secs)}" for title, secs in self._steps)
        self.console.print()
        self.console.print(Text.assemble((f"{duration(total)} in all", "bold"), f": {parts}"))


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 3), expand=False)
