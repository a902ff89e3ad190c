"""The live display: a campaign at one moment, as a table that fits the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from rich import box
from rich.console import Group, JustifyMethod, RenderableType
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

#: Lines that are no jobs: title, head, rule, rest, bar, counts, errors.
_FRAME = 9


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
    columns = {name: cell for name, cell in _COLUMNS.items() if name != "default" or width >= WIDE}
    rows = [[cell(job) for cell in columns.values()] for job in jobs]
    natural = [
        max([len(name), *(row[column].cell_len for row in rows)])
        for column, name in enumerate(columns)
    ]
    # Two spaces between columns where there is room for them.
    gap = 1 if sum(natural) + 2 * (len(columns) - 1) <= width else 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, gap, 0, 0))
    for name in columns:
        justify: JustifyMethod = "left" if name in ("arch", "state") else "right"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def _errors(job: JobSnapshot) -> Text:
    count = sum(job.errors.values())
    return Text(str(count), style="yellow") if count else Text("-")


_COLUMNS: Mapping[str, Callable[[JobSnapshot], Text]] = {
    "arch": lambda job: Text(brief(job.arch, 16)),
    "bucket": lambda job: Text(str(job.bucket)),
    "state": lambda job: Text(job.state, style=_STYLES[job.state]),
    "kernels": lambda job: Text(f"{job.measured_tasks}/{job.tasks}" if job.tasks else "-"),
    "trials": lambda job: Text(
        str(job.trials) if job.budget is None else f"{job.trials}/{job.budget}"
    ),
    "per s": lambda job: Text(rate(job.rate)),
    "best": lambda job: Text(latency(job.best)),
    "default": lambda job: Text(latency(job.default)),
    "gain": lambda job: Text(gain(job.gain), style="bold" if (job.gain or 0) > 1 else ""),
    "errors": _errors,
}


def _worth_telling(job: JobSnapshot) -> bool:
    return bool(job.reason) and job.state is not JobState.RUNNING


def _reason(job: JobSnapshot, width: int) -> Text:
    text = brief(f"{job.arch}/{job.bucket} {job.state}: {job.reason}", width)
    return Text(text, style=_STYLES[job.state])


def _footer(snapshot: Snapshot, width: int) -> list[RenderableType]:
    # What matters most comes first: a narrow terminal cuts the end.
    counts = []
    if snapshot.finished:
        counts.append(f"took {duration(snapshot.elapsed)}")
    else:
        if snapshot.left is not None:
            counts.append(f"{duration(snapshot.left)} left")
        counts.append(f"{duration(snapshot.elapsed)} elapsed")
    counts.append(f"{snapshot.done} of {counted(len(snapshot.jobs), 'job')} done")
    if snapshot.failed:
        counts.append(f"{snapshot.failed} failed")
    counts.append(counted(snapshot.trials, "trial"))
    if not snapshot.finished:
        counts.append(f"{rate(snapshot.rate)} per s")
    lines: list[RenderableType] = [_bar(snapshot, width), Text(brief(" · ".join(counts), width))]
    if snapshot.errors:
        kinds = ", ".join(f"{kind} {n}" for kind, n in snapshot.errors.most_common())
        lines.append(Text(brief(f"failed candidates: {kinds}", width), style="yellow"))
    return lines


def _bar(snapshot: Snapshot, width: int) -> Text:
    length = min(width, 79)
    done = round(length * snapshot.spent)
    style = "red" if snapshot.failed else "green" if snapshot.finished else "cyan"
    return Text.assemble(("━" * done, style), ("─" * (length - done), "dim"))
