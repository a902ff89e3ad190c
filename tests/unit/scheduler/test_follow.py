"""A campaign is shown until it ends: live on a terminal, in lines elsewhere."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from db.testing.builders import World
from scheduler.display import Observer, follow
from scheduler.errors import ExecutorError
from tests.unit.scheduler.conftest import work


def console(*, terminal: bool) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=80, height=24, color_system=None
    )


def text_of(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


class Sleeper:
    """Passes no time; does the work of a campaign when it is slept for the `after`-th time."""

    def __init__(self, world: World, campaign: int, after: int) -> None:
        self.world, self.campaign, self.left = world, campaign, after

    def __call__(self, secs: float) -> None:
        self.left -= 1
        if self.left == 0:
            work(self.world.store, self.campaign)


def follow_to_the_end(world: World, out: Console, **options: Any) -> int:
    campaign = world.campaign(1, 16)
    sleeper = Sleeper(world, campaign, after=25)
    end = follow(Observer(world.store, campaign), out, sleep=sleeper, **options)
    return end.done


def test_lines_where_there_is_no_terminal(world: World) -> None:
    out = console(terminal=False)
    assert follow_to_the_end(world, out) == 2
    lines = text_of(out).splitlines()
    # At once, after 5 and 10 seconds, and at the end, which comes after 12.5.
    assert [line.split(", ")[1] for line in lines] == ["0 of 2 jobs done"] * 3 + [
        "2 of 2 jobs done"
    ]
    assert "\x1b" not in text_of(out)


def test_the_display_is_redrawn_on_a_terminal(world: World) -> None:
    out = console(terminal=True)
    assert follow_to_the_end(world, out) == 2
    text = text_of(out)
    # The last frame is drawn once more when the display ends.
    assert text.count("campaign 1 · nightly") == 27
    assert text.rstrip().endswith("\x1b[?25h")  # The cursor is back.
    assert "2 of 2 jobs done" in text


def test_lines_can_be_printed_otherwise(world: World) -> None:
    seen: list[int] = []
    out = console(terminal=True)
    follow_to_the_end(world, out, print_line=lambda snapshot: seen.append(snapshot.done))
    assert seen == [0, 0, 0, 2]
    assert text_of(out) == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_workers_are_looked_after(world: World, terminal: bool) -> None:
    def gone() -> None:
        raise ExecutorError("nobody is left")

    observer = Observer(world.store, world.campaign(16))
    with pytest.raises(ExecutorError, match="nobody is left"):
        follow(observer, console(terminal=terminal), look_after=gone, sleep=lambda _: None)
