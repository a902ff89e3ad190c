"""The live display: a campaign at one moment, as a table that fits the terminal."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from db import JobState
from scheduler.display.snapshot import JobSnapshot, Snapshot
from scheduler.display.text import brief, counted, duration, gain, latency, rate

#: From this width on the latency with default schedules has a column of its own.
WIDE = 92

_STYLES = {
    JobState.QUEUED: "dim",
    JobState.RUNNING: "cyan",
    JobState.DONE: "green",
    JobState.FAILED: "red",
    JobState.LOST: "yellow",
    JobState.QUARANTINED: "red",
    JobState.CANCELLED: "yellow",
}

#: Jobs that move come first, then those that went wrong.
_ORDER = (
    JobState.RUNNING,
    JobState.LOST,
    JobState.FAILED,
    JobState.QUARANTINED,
    JobState.CANCELLED,
    JobState.QUEUED,
    JobState.DONE,
)

#: Lines that are no jobs: title, head, rule, rest, bar, counts.
_FRAME = 8


def screen_of(snapshot: Snapshot, width: int, height: int = 50) -> RenderableType:
    """Render a campaign for a terminal of `width` columns and `height` lines."""
    shown = _choose(snapshot.jobs, max(1, height - _FRAME))
    parts: list[RenderableType] = [_title(snapshot, width), Text(), _table(shown, width)]
    rest = _rest(snapshot.jobs, shown)
    if rest:
        parts.append(Text(rest, style="dim"))
    room = max(0, height - _FRAME - len(shown))
    parts += [_reason(job, width) for job in shown if _worth_telling(job)][:room]
    parts += [Text(), *_footer(snapshot, width)]
    return Group(*parts)


def _title(snapshot: Snapshot, width: int) -> Text:
    title = Text(no_wrap=True, overflow="ellipsis")
    title.append(f"campaign {snapshot.campaign_id}", style="bold")
    details = (snapshot.name, snapshot.strategy, snapshot.state)
    title.append(f" · {' · '.join(details)}")
    title.truncate(width, overflow="ellipsis")
    return title


def _choose(jobs: tuple[JobSnapshot, ...], room: int) -> list[JobSnapshot]:
    """The jobs that are shown, in the order they were queued."""
    if len(jobs) <= room:
        return list(jobs)
    by_interest = sorted(jobs, key=lambda job: _ORDER.index(job.state))
    chosen = {job.id for job in by_interest[:room]}
    return [job for job in jobs if job.id in chosen]


def _rest(jobs: tuple[JobSnapshot, ...], shown: list[JobSnapshot]) -> str:
    ids = {job.id for job in shown}
    states = Counter(job.state for job in jobs if job.id not in ids)
    if not states:
        return ""
    counts = ", ".join(f"{states[state]} {state}" for state in _ORDER if states[state])
    return f"and {counted(states.total(), 'more job')}: {counts}"


def _table(jobs: list[JobSnapshot], width: int) -> Table:
    wide = width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    table.add_column("arch", no_wrap=True, overflow="ellipsis", max_width=40 if wide else 15)
    table.add_column("bucket", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True, min_width=7)
    table.add_column("kernels", justify="right", no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    table.add_column("per s", justify="right", no_wrap=True)
    table.add_column("best", justify="right", no_wrap=True, min_width=7)
    if wide:
        table.add_column("default", justify="right", no_wrap=True, min_width=7)
    table.add_column("gain", justify="right", no_wrap=True, min_width=5)
    table.add_column("errors", justify="right", no_wrap=True)
    for job in jobs:
        errors = sum(job.errors.values())
        cells: list[str | Text] = [
            job.arch,
            str(job.bucket),
            Text(job.state, style=_STYLES[job.state]),
            f"{job.measured_tasks}/{job.tasks}" if job.tasks else "-",
            str(job.trials) if job.budget is None else f"{job.trials}/{job.budget}",
            rate(job.rate),
            latency(job.best),
            *([latency(job.default)] if wide else []),
            Text(gain(job.gain), style="bold" if (job.gain or 0) > 1 else ""),
            Text(str(errors) if errors else "-", style="yellow" if errors else ""),
        ]
        table.add_row(*cells)
    return table


def _worth_telling(job: JobSnapshot) -> bool:
    return bool(job.reason) and job.state is not JobState.RUNNING


def _reason(job: JobSnapshot, width: int) -> Text:
    text = brief(f"{job.arch}/{job.bucket} {job.state}: {job.reason}", width)
    return Text(text, style=_STYLES[job.state])


def _footer(snapshot: Snapshot, width: int) -> list[RenderableType]:
    counts = [f"{snapshot.done} of {counted(len(snapshot.jobs), 'job')} done"]
    if snapshot.failed:
        counts.append(f"{snapshot.failed} failed")
    counts.append(counted(snapshot.trials, "trial"))
    if snapshot.finished:
        counts.append(f"took {duration(snapshot.elapsed)}")
    else:
        counts.append(f"{rate(snapshot.rate)} per s")
        counts.append(f"{duration(snapshot.elapsed)} elapsed")
        if snapshot.left is not None:
            counts.append(f"{duration(snapshot.left)} left")
    line = brief(" · ".join(counts), width)
    style = "red" if snapshot.failed else "cyan"
    bar = ProgressBar(
        total=1.0,
        completed=snapshot.spent,
        width=min(width, 78),
        complete_style=style,
        finished_style="green" if not snapshot.failed else "red",
    )
    return [bar, Text(line)]
