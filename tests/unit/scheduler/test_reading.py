"""The commands that read: tables for people, JSON for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from db import Toolchain
from db.testing.builders import ARCH, TOOLCHAIN, World
from scheduler.cli.lookup import serving_bucket
from tests.unit.scheduler.conftest import Invoke, work


def test_models_for_programs(invoke: Invoke, world: World) -> None:
    (model,) = json.loads(invoke("models", "list", "--json").stdout)["models"]
    assert datetime.fromisoformat(model.pop("added_at")).tzinfo is not None
    assert datetime.fromisoformat(model.pop("seen_at")).tzinfo is not None
    assert model.pop("digest")
    assert model == {
        "id": world.model_version,
        "name": "dlrm",
        "source": "dlrm.pt2",
        "inputs": {"dense": [16, 64]},
        "buckets": [1, 16],
        "traffic": {"1": 0.25, "16": 0.75},
    }


def test_models_for_people(invoke: Invoke, world: World) -> None:
    text = invoke("models", "list").stdout
    assert "dlrm" in text
    assert "1,16" in text


def test_no_models(invoke: Invoke, store: object) -> None:
    assert invoke("models", "list").stdout == (
        "no models yet; add one with: tunefleet models add PATH\n"
    )
    assert json.loads(invoke("models", "list", "--json").stdout) == {"models": []}


def test_status_for_programs(invoke: Invoke, world: World) -> None:
    work(world.store, world.campaign(1, 16, seconds=60.0, trials=None), failing=[1])
    world.campaign(16)
    newest, oldest = json.loads(invoke("status", "--json").stdout)["campaigns"]
    assert (newest["id"], newest["state"], newest["finished_at"]) == (2, "running", None)
    assert oldest["name"] == "nightly"
    assert (oldest["state"], oldest["strategy"]) == ("failed", "auto")
    assert (oldest["trials"], oldest["seconds"]) == (None, 60.0)
    assert (oldest["measurements"], oldest["errors"]) == (4, {})
    failed, done = oldest["jobs"]
    assert (failed["bucket"], failed["state"]) == (1, "failed")
    assert failed["reason"] == "the compiler refused"
    assert datetime.fromisoformat(done.pop("started_at")).tzinfo is not None
    assert datetime.fromisoformat(done.pop("finished_at")).tzinfo is not None
    assert done == {
        "id": 2,
        "model": "dlrm",
        "arch": ARCH.name,
        "bucket": 16,
        "state": "done",
        "attempt": 1,
        "failures": 0,
        "worker": "w1",
        "reason": "done",
        "measurements": 4,
        "errors": {},
        "workloads": 2,
        "tuned": 2,
        "best_secs": pytest.approx(3 * 1.01e-5),
        "default_secs": pytest.approx(3 * 4e-5),
    }


def test_status_for_people(invoke: Invoke, world: World) -> None:
    work(world.store, world.campaign(1, 16))
    world.campaign(16, name="second")
    overview, _, jobs = invoke("status").stdout.partition("campaign 2")
    assert [line.split()[:4] for line in overview.splitlines()[2:4]] == [
        ["2", "second", "auto", "running"],
        ["1", "nightly", "auto", "done"],
    ]
    assert "queued" in jobs
    one = invoke("status", "1").stdout
    assert one.startswith("campaign 1 · nightly · auto · done")
    assert "2 of 2 jobs done" in one


def test_status_is_limited(invoke: Invoke, world: World) -> None:
    for _ in range(3):
        world.campaign(16)
    found = json.loads(invoke("status", "--json", "--limit", "2").stdout)["campaigns"]
    assert [campaign["id"] for campaign in found] == [3, 2]


def test_no_campaigns(invoke: Invoke, world: World) -> None:
    assert "no campaigns yet" in invoke("status").stdout
    assert json.loads(invoke("status", "--json").stdout) == {"campaigns": []}
    watched = invoke("status", "--watch")
    assert (watched.exit_code, watched.stderr[:22]) == (1, "error: no campaigns ye")
    assert invoke("status", "7").stderr.startswith("error: unknown campaign 7")


def test_watching_a_campaign_that_has_ended(invoke: Invoke, world: World) -> None:
    work(world.store, world.campaign(1, 16))
    result = invoke("status", "--watch")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    assert "2 of 2 jobs done" in result.stdout
    (line,) = invoke("status", "--watch", "--json").stdout.splitlines()
    assert json.loads(line)["state"] == "done"


@pytest.fixture
def toolchain(monkeypatch: pytest.MonkeyPatch) -> Toolchain:
    monkeypatch.setattr("tuner.arch.toolchain", lambda: TOOLCHAIN)
    return TOOLCHAIN


def look_up(invoke: Invoke, *args: str) -> Any:
    result = invoke("lookup", "dlrm", "--arch", ARCH.name, "--json", *args)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_lookup_for_programs(invoke: Invoke, world: World, toolchain: Toolchain) -> None:
    work(world.store, world.campaign(16))
    found = look_up(invoke, "--batch", "9")
    assert {name: found[name] for name in ("model", "arch", "batch", "bucket")} == {
        "model": "dlrm",
        "arch": ARCH.name,
        "batch": 9,
        "bucket": 16,
    }
    assert (found["toolchain"], found["from_database"]) == (toolchain.key, 2)
    kernel = found["kernels"][0]
    assert set(kernel) == {
        "workload", "name", "op_kind", "calls", "served_by", "run_secs", "default_secs",
        "strategy", "config", "measurement", "recorded_at",
    }  # fmt: skip
    assert (kernel["served_by"], kernel["strategy"]) == ("record", "autotvm")
    assert (kernel["run_secs"], kernel["default_secs"]) == (pytest.approx(1.01e-5), 4e-5)


def test_a_kernel_without_a_record_is_shown_as_such(
    invoke: Invoke, world: World, toolchain: Toolchain
) -> None:
    found = look_up(invoke, "--batch", "1")
    assert [kernel["served_by"] for kernel in found["kernels"]] == ["default", "default"]
    assert found["from_database"] == 0
    text = invoke("lookup", "dlrm", "--batch", "1", "--arch", ARCH.name).stdout
    assert "0 of 2 kernels from the database" in text
    assert "(default)" in text


def test_records_of_another_toolchain_do_not_serve(
    invoke: Invoke, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.arch.toolchain", lambda: Toolchain("9", "9", "9"))
    work(world.store, world.campaign(16))
    assert look_up(invoke, "--batch", "16")["from_database"] == 0


def test_lookup_for_people(invoke: Invoke, world: World, toolchain: Toolchain) -> None:
    work(world.store, world.campaign(16))
    text = invoke("lookup", "dlrm", "--batch", "16", "--arch", ARCH.name).stdout
    assert text.startswith("dlrm, batch 16 on znver4: kernels of bucket 16\n")
    assert "3.96x" in text
    assert text.endswith("2 of 2 kernels from the database, 30.3 µs together\n")


def test_an_architecture_that_was_never_tuned_for(
    invoke: Invoke, world: World, toolchain: Toolchain
) -> None:
    result = invoke("lookup", "dlrm", "--batch", "1", "--arch", "haswell")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: dlrm was never tuned for haswell; run: tunefleet tune dlrm --arch haswell\n"
    )


@pytest.mark.parametrize(("batch", "bucket"), [(1, 1), (2, 16), (16, 16), (17, 64), (1000, 64)])
def test_the_bucket_that_serves_a_batch(batch: int, bucket: int) -> None:
    assert serving_bucket(batch, [1, 16, 64]) == bucket


def test_the_database_is_named_before_or_behind_a_command(invoke: Invoke, world: World) -> None:
    url = world.store.url
    for args in (["--db", url, "status"], ["status", "--db", url], ["db", "stats", "--db", url]):
        assert invoke(*args, env={"TUNEFLEET_DB": "sqlite:///elsewhere.db"}).exit_code == 0
    assert invoke("status", env={"TUNEFLEET_DB": "sqlite:///elsewhere.db"}).exit_code == 1
