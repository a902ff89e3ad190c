"""Nights: fired once however many callers, new before stale, a report in the morning."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from db import CampaignState, Schedule, Store, open_store
from scheduler.cli import cli
from scheduler.errors import ScheduleError
from scheduler.executors import make_executor
from scheduler.nightly.daemon import run_due, seconds_to_next
from scheduler.nightly.night import Night, fire_due, unfinished
from scheduler.nightly.report import report
from scheduler.nightly.spec import NightSpec
from scheduler.nightly.watch import pick_up
from tests.integration.fleet.campaigns import EAGER, records
from workers.replay import ReplayTools

SPEC = NightSpec(archs=("avx512",), buckets=(8,), strategy="autotvm", trials=10)


def put(store: Store, spec: NightSpec = SPEC, name: str = "night") -> None:
    """A schedule that is due every minute, and was there before this one began."""
    store.put_schedule(spec.to_schedule(name, "* * * * *"))
    # As if it had been added an hour ago.
    engine = sa.create_engine(store.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE schedules SET changed_at = '2026-01-01 00:00:00.000'"))
    engine.dispose()


def work_with(url: str) -> Callable[[Night], None]:
    """Run a night's jobs in this process, without a compiler."""

    def work(night: Night) -> None:
        executor = make_executor("inprocess", db_url=url, make_tools=ReplayTools(), options=EAGER)
        with executor, open_store(url) as store:
            executor.start(night.campaign)
            while store.campaign_progress(night.campaign).unfinished:
                executor.poll()

    return work


def test_a_night_from_its_schedule_to_its_report(store: Store, url: str) -> None:
    put(store)
    (night,) = run_due(store, work_with(url))
    progress = store.campaign_progress(night.campaign)
    assert progress.state is CampaignState.DONE
    assert (progress.name, progress.strategy) == ("night", "autotvm")
    found = report(store, night.campaign)
    assert (found.done, found.jobs, found.failed) == (1, 1, ())
    assert len(found.covered) == store.job_progress(night.campaign)[0].tasks > 0
    assert found.improved == found.regressed == ()
    assert found.cost.measured == progress.measurements >= 10
    assert 0.0 < found.cost.slot_hours <= found.cost.hours


def test_many_callers_fire_a_night_once(store: Store, url: str) -> None:
    put(store)

    def call(_: int) -> list[Night]:
        with open_store(url) as mine:
            return fire_due(mine)

    before = store.now()
    with ThreadPoolExecutor(4) as pool:
        nights = [night for fired in pool.map(call, range(8)) for night in fired]
    minutes = int(store.now().timestamp() // 60) - int(before.timestamp() // 60) + 1
    made = {night.campaign for night in nights}
    # The test may run into the next minute, whose night is another one.
    assert 1 <= len(made) <= minutes
    keys = [c.key for c in store.campaigns() if c.key and c.key.startswith("nightly/")]
    assert len(keys) == len(set(keys)) == len(made)


def test_a_night_that_was_cut_off_goes_on(store: Store, url: str) -> None:
    put(store)
    (cut,) = fire_due(store)
    assert [night.campaign for night in unfinished(store)] == [cut.campaign]
    lease = store.claim_job("w1", campaign_id=cut.campaign)
    assert lease is not None
    assert unfinished(store) == [], "somebody works on it"
    store.release(lease)
    nights = run_due(store, work_with(url))
    assert cut.campaign in [night.campaign for night in nights]
    assert store.campaign_progress(cut.campaign).state is CampaignState.DONE
    assert max(records(url).values()) == 1


def test_new_models_of_a_watched_folder_come_first(
    store: Store, url: str, small_dlrm: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    shutil.copy(small_dlrm, folder / "fresh.pt2")
    (folder / "torn.onnx").write_bytes(b"half of a model")
    (folder / "notes.txt").write_text("no model")
    put(store)
    run_due(store, work_with(url))  # dlrm is known now.
    put(store, dataclasses.replace(SPEC, watch=str(folder), archs=("avx2", "avx512")), "watching")
    nights = [night for night in fire_due(store) if night.schedule == "watching"]
    assert len(nights) == 1
    assert list(nights[0].refused) == ["torn.onnx"]
    jobs = sorted(
        (p.job for p in store.job_progress(nights[0].campaign)), key=lambda job: -job.priority
    )
    # The same graph, so the same workloads: only those of avx2 are new.
    assert {job.model for job in jobs} == {"dlrm", "fresh"}
    assert [job.arch for job in jobs] == ["x86-64-v3"] * 2 + ["x86-64-v4"] * 2


def test_a_file_is_picked_up_again_only_if_it_changed(
    store: Store, small_dlrm: Path, tmp_path: Path
) -> None:
    file = tmp_path / "model.pt2"
    shutil.copy(small_dlrm, file)
    os.utime(file, (1e9, 1e9))
    assert pick_up(store, tmp_path) == (["model"], {})
    assert pick_up(store, tmp_path) == ([], {})
    later = (datetime.now() + timedelta(days=1)).timestamp()
    os.utime(file, (later, later))
    assert pick_up(store, tmp_path) == (["model"], {})


def test_the_wait_ends_with_the_next_night(store: Store) -> None:
    assert seconds_to_next(store) == 60.0
    put(store)
    assert 0.5 <= seconds_to_next(store) <= 60.0


def test_schedules_of_a_newer_version_are_refused() -> None:
    with pytest.raises(ScheduleError, match="asks for moon_phase"):
        NightSpec.of(Schedule("n", "* * * * *", {"moon_phase": "full"}))
    with pytest.raises(ScheduleError, match="needs a budget"):
        NightSpec().to_schedule("n", "* * * * *")


def test_the_commands(url: str, tmp_path: Path) -> None:
    def tunefleet(*args: str) -> Any:
        return CliRunner().invoke(cli, ["--db", url, *args], prog_name="tunefleet")

    added = tunefleet(
        "nightly", "add", "eu", "--cron", "0 2 29 2 *", "--zone", "Europe/Berlin",
        "--model", "dlrm", "--arch", "avx512", "--bucket", "8", "--total-trials", "500",
        "--weight", "dlrm=3", "--watch", str(tmp_path),
    )  # fmt: skip
    assert added.exit_code == 0, added.stderr
    assert added.stdout.startswith("eu: first due ")
    (listed,) = json.loads(tunefleet("nightly", "list", "--json").stdout)["schedules"]
    assert listed["zone"] == "Europe/Berlin"
    assert listed["weights"] == {"dlrm": 3.0}
    assert (listed["models"], listed["total_trials"]) == (["dlrm"], 500)
    assert "Europe/Berlin" in tunefleet("nightly", "list").stdout
    assert "nothing is due" in tunefleet("nightly", "run").stdout
    assert tunefleet("nightly", "remove", "eu").exit_code == 0
    assert tunefleet("nightly", "remove", "eu").exit_code == 1
    for wrong in (["--cron", "nonsense"], ["--zone", "Mars/Base"], ["--watch", "/nowhere"]):
        refused = tunefleet("nightly", "add", "n", *wrong)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("error: ")
    assert tunefleet("nightly", "add", "n", "--weight", "dlrm").exit_code == 2
