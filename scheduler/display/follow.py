"""Shows a campaign until it ends: live on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live

from scheduler.display.lines import line_of
from scheduler.display.observe import Observer
from scheduler.display.screen import screen_of
from scheduler.display.snapshot import Snapshot

#: Seconds between two looks at the database: often enough to feel alive, and measuring cores
#: are left alone.
REFRESH_S = 0.5
#: Seconds between two lines where there is no terminal.
LINE_S = 5.0


def nothing() -> None:
    """Look after nobody."""


def follow(
    observer: Observer,
    console: Console,
    *,
    look_after: Callable[[], None] = nothing,
    print_line: Callable[[Snapshot], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    refresh_s: float = REFRESH_S,
    line_s: float = LINE_S,
) -> Snapshot:
    """Show a campaign until every job is final; return how it ended.

    Parameters
    ----------
    observer
        Where snapshots come from.
    console
        Where they are shown.
    look_after
        Called before each look: ``Executor.poll``, if the workers are ours.
    print_line
        Prints a snapshot as a line where there is no terminal; `line_of` unless given.
    """
    if console.is_terminal and print_line is None:
        return _live(observer, console, look_after, sleep, refresh_s)

    def plain(snapshot: Snapshot) -> None:
        console.print(line_of(snapshot), soft_wrap=True, markup=False)

    return _lines(observer, print_line or plain, look_after, sleep, refresh_s, line_s)


def _live(
    observer: Observer,
    console: Console,
    look_after: Callable[[], None],
    sleep: Callable[[float], None],
    refresh_s: float,
) -> Snapshot:
    snapshot = observer.snapshot()
    # Drawn by this thread alone: one that redraws by itself would take time from measuring.
    with Live(console=console, auto_refresh=False) as live:
        while True:
            width, height = console.size
            live.update(screen_of(snapshot, width, height), refresh=True)
            if snapshot.finished:
                return snapshot
            sleep(refresh_s)
            look_after()
            snapshot = observer.snapshot()


def _lines(
    observer: Observer,
    print_line: Callable[[Snapshot], None],
    look_after: Callable[[], None],
    sleep: Callable[[float], None],
    refresh_s: float,
    line_s: float,
) -> Snapshot:
    due = 0.0
    waited = 0.0
    while True:
        look_after()
        snapshot = observer.snapshot()
        if snapshot.finished or waited >= due:
            print_line(snapshot)
            due = waited + line_s
        if snapshot.finished:
            return snapshot
        sleep(refresh_s)
        waited += refresh_s
