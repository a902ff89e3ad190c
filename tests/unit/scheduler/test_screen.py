"""The live display fits the terminal and shows what matters first."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from db import CampaignState, JobState
from scheduler.display import JobSnapshot, Snapshot, line_of, screen_of

JOBS = (
    JobSnapshot(
        1, "dlrm", "skylake-avx512", 1, JobState.DONE, trials=212, errors={"run_timeout": 1},
        tasks=9, measured_tasks=9, best=41.2e-6, default=118.3e-6, seconds=60.0,
    ),
    JobSnapshot(
        2, "dlrm", "skylake-avx512", 16, JobState.RUNNING, trials=80, rate=4.25,
        errors={"build_error": 12, "wrong_result": 1}, tasks=9, measured_tasks=7,
        best=1.034e-3, default=1.9e-3, running_secs=25.0, seconds=60.0,
    ),
    JobSnapshot(3, "dlrm", "haswell", 1, JobState.QUEUED, tasks=9, seconds=60.0),
    JobSnapshot(
        4, "dlrm", "haswell", 16, JobState.QUARANTINED, seconds=60.0,
        reason="ValueError: the compiler\nrefused this candidate " + "again and " * 10,
    ),
)  # fmt: skip

SNAPSHOT = Snapshot(3, "dlrm", "autotvm", CampaignState.RUNNING, JOBS, elapsed=151.0, rate=4.25)


def render(snapshot: Snapshot, width: int, height: int = 30) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    console.print(screen_of(snapshot, width, height))
    return out.getvalue()


def test_at_80_columns() -> None:
    assert (
        render(SNAPSHOT, 80)
        == """\
campaign 3 · dlrm · autotvm · running

arch           bucket state       kernels trials per s    best  gain errors
───────────────────────────────────────────────────────────────────────────
skylake-avx512      1 done            9/9    212     - 41.2 µs 2.87x      1
skylake-avx512     16 running         7/9     80   4.2 1.03 ms 1.84x     13
haswell             1 queued          0/9      0     -       -     -      -
haswell            16 quarantined       -      0     -       -     -      -
haswell/16 quarantined: ValueError: the compiler refused this candidate again a…

━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━───────────────────────────────
1:35 left · 2:31 elapsed · 1 of 4 jobs done · 1 failed · 292 trials · 4.2 per s
failed candidates: build_error 12, run_timeout 1, wrong_result 1
"""
    )


def test_at_120_columns() -> None:
    lines = render(SNAPSHOT, 120).splitlines()
    assert lines[2:6] == [
        "arch            bucket  state        kernels  trials  per s     best  default   gain"
        "  errors",
        "─" * 92,
        "skylake-avx512       1  done             9/9     212      -  41.2 µs   118 µs  2.87x"
        "       1",
        "skylake-avx512      16  running          7/9      80    4.2  1.03 ms  1.90 ms  1.84x"
        "      13",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("height", [10, 24, 50])
@pytest.mark.parametrize("jobs", [0, 1, 4, 100])
def test_it_fits_any_terminal(width: int, height: int, jobs: int) -> None:
    many = tuple(JOBS[i % 4] for i in range(jobs))
    numbered = tuple(
        JobSnapshot(i, job.model, job.arch, i, job.state, reason=job.reason)
        for i, job in enumerate(many)
    )
    shown = Snapshot(3, "dlrm" * 40, "autotvm", CampaignState.RUNNING, numbered)
    lines = render(shown, width, height).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= height


def test_jobs_that_run_or_failed_are_shown_before_those_that_wait() -> None:
    waiting = [JobSnapshot(i, "dlrm", "znver4", i, JobState.QUEUED) for i in range(10, 60)]
    text = render(
        Snapshot(3, "dlrm", "auto", CampaignState.RUNNING, (*waiting, *JOBS)), 80, height=14
    )
    assert "running" in text
    assert "quarantined" in text
    assert "and 49 more jobs: 48 queued, 1 done" in text


def test_a_finished_campaign_says_how_long_it_took() -> None:
    text = render(Snapshot(3, "dlrm", "auto", CampaignState.DONE, JOBS[:1], elapsed=3725.0), 80)
    assert "took 1:02:05 · 1 of 1 job done · 212 trials" in text
    assert "left" not in text


def test_a_line_where_there_is_no_terminal() -> None:
    assert line_of(SNAPSHOT) == (
        "[ 2:31] campaign 3, 1 of 4 jobs done, 1 failed, skylake-avx512/16 at 1.84x, "
        "292 trials (14 failed), 4.2/s, about 1:35 left"
    )


def test_a_line_tells_of_jobs_whose_worker_is_gone() -> None:
    jobs = (JobSnapshot(1, "dlrm", "znver4", 1, JobState.LOST), *JOBS[1:2])
    assert "0 of 2 jobs done, 1 lost, skylake" in line_of(
        Snapshot(3, "dlrm", "auto", CampaignState.RUNNING, jobs)
    )


def test_a_line_names_two_running_jobs_at_most() -> None:
    jobs = tuple(JobSnapshot(i, "dlrm", "znver4", i, JobState.RUNNING) for i in (1, 2, 3, 4))
    line = line_of(Snapshot(3, "dlrm", "auto", CampaignState.RUNNING, jobs))
    assert "znver4/1, znver4/2, 2 more running" in line
