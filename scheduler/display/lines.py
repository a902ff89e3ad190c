"""One plain line for a campaign: what is shown where there is no terminal."""

from __future__ import annotations

from db import JobState
from scheduler.display.snapshot import Snapshot
from scheduler.display.text import counted, duration, gain


def line_of(snapshot: Snapshot) -> str:
    """A campaign at one moment, as one line for a log."""
    parts = [
        f"campaign {snapshot.campaign_id}",
        f"{snapshot.done} of {counted(len(snapshot.jobs), 'job')} done",
    ]
    if snapshot.failed:
        parts.append(f"{snapshot.failed} failed")
    lost = sum(job.state is JobState.LOST for job in snapshot.jobs)
    if lost:
        parts.append(f"{lost} lost")
    running = [job for job in snapshot.jobs if job.state is JobState.RUNNING]
    for job in running[:2]:
        faster = f" at {gain(job.gain)}" if job.gain else ""
        parts.append(f"{job.arch}/{job.bucket}{faster}")
    if len(running) > 2:
        parts.append(f"{len(running) - 2} more running")
    failures = snapshot.errors.total()
    errors = f" ({failures} failed)" if failures else ""
    parts.append(f"{counted(snapshot.trials, 'trial')}{errors}")
    if snapshot.rate > 0:
        parts.append(f"{snapshot.rate:.1f}/s")
    if not snapshot.finished and snapshot.left is not None:
        parts.append(f"about {duration(snapshot.left)} left")
    return f"[{duration(snapshot.elapsed):>5}] {', '.join(parts)}"
