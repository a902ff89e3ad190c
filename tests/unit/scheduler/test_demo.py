"""The demo: its story told on a fake engine, its serving part on a small model as well."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from db import Store, StoredModelVersion
from db.testing.builders import ARCH, World
from scheduler.demo import DemoError, DemoOptions
from scheduler.demo.files import ModelFiles, find_files
from scheduler.demo.scores import largest_difference
from scheduler.demo.serve import Serving
from scheduler.demo.story import Story
from scheduler.demo.table import BucketResult, table_of
from tests.unit.scheduler.conftest import FakeExecutor, Invoke


def story() -> Story:
    return Story(Console(file=io.StringIO(), width=80, color_system=None))


def text_of(told: Story) -> str:
    assert isinstance(told.console.file, io.StringIO)
    return told.console.file.getvalue()


def options(folder: Path, **changes: Any) -> DemoOptions:
    made = {"url": f"sqlite:///{folder}/tunefleet.db", "folder": folder, "archs": (ARCH,)}
    return DemoOptions(**(made | changes))  # type: ignore[arg-type]


def test_the_budget_is_shared_by_jobs_that_do_not_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(cores: int) -> DemoOptions:
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
        return options(tmp_path, seconds=120.0)

    made = on(2)
    assert (made.jobs, made.slots, made.job_seconds) == (4, 1, 30.0)
    made = on(6)
    assert (made.slots, made.job_seconds) == (3, 60.0)
    assert on(64).slots == 4
    assert on(1).slots == 1


def test_the_example_is_exported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[tuple[str, int]] = []

    def export_dlrm(path: Path, seed: int) -> None:
        exported.append((path.name, seed))
        path.write_bytes(b"x" * 2_000_000)

    monkeypatch.setattr("examples.dlrm.export_dlrm", export_dlrm)
    made = options(tmp_path)
    made.files.mkdir()
    told = story()
    files = find_files(made, told)
    assert exported == [("dlrm.pt2", 0), ("dlrm-refreshed.pt2", 1)]
    assert files.is_example
    assert "exported the example, a DLRM, to tunefleet-demo/dlrm.pt2 (2 MB)" in text_of(told)
    assert find_files(made, story()) == files
    assert len(exported) == 2


def test_the_table_fits_80_columns() -> None:
    results = [
        BucketResult(1, 2592e-6, 629e-6, 98.76e-6, 8, 8),
        BucketResult(256, 0.0118374, 6188e-6, 0.013, 4, 8),
    ]
    told = story()
    told.show(table_of(results, "PyTorch eager"))
    assert (
        text_of(told)
        == """\
   bucket   PyTorch eager   untuned    tuned    ratio   from database
   ──────────────────────────────────────────────────────────────────
        1           2 592       629     98.8   26.25x          8 of 8
      256          11 837     6 188   13 000    0.91x          4 of 8
"""
    )


class Numbers:
    """A model, or its reference, whose scores are those given."""

    name = "PyTorch"

    def __init__(self, *outputs: Sequence[float | list[float]]) -> None:
        self.outputs = [np.asarray(output, np.float32) for output in outputs]

    def random_inputs(self, batch: int, seed: int) -> list[np.ndarray]:
        return []

    def scores(self, _inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self.outputs

    def __call__(self, *_inputs: np.ndarray) -> Any:
        return self.outputs[0] if len(self.outputs) == 1 else tuple(self.outputs)


def difference(ours: Numbers, theirs: Numbers) -> float:
    return largest_difference(ours, theirs, [4], tolerance=1e-5)  # type: ignore[arg-type]


def test_the_largest_difference_of_any_output() -> None:
    ours, theirs = Numbers([0.5, 0.25], [0.125]), Numbers([0.5, 0.25], [0.125 + 2**-18])
    assert difference(ours, theirs) == 2**-18


def test_scores_above_one_may_differ_in_proportion() -> None:
    assert difference(Numbers([1000.0]), Numbers([1000.005])) == pytest.approx(0.005, rel=0.05)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (Numbers([0.5]), Numbers([0.501]), "batch 4: scores differ from those of PyTorch by 1.0e"),
        (Numbers([float("nan")]), Numbers([0.5]), "scores differ"),
        (Numbers([0.5]), Numbers([float("inf")]), "PyTorch itself computes scores that are no num"),
        (Numbers([0.5]), Numbers([[0.5]]), r"scores have shape \[1\], those of PyTorch \[1, 1\]"),
        (Numbers([0.5]), Numbers([0.5], [0.5]), "1 outputs are served, PyTorch has 2"),
    ],
)
def test_scores_that_differ_too_much(ours: Numbers, theirs: Numbers, message: str) -> None:
    with pytest.raises(DemoError, match=message):
        difference(ours, theirs)


@dataclass
class FakeServing:
    """Compiles nothing, and tells what it was asked for."""

    calls: list[str] = field(default_factory=list)

    def __call__(self, _options: DemoOptions, _files: ModelFiles, arch: str, _: Story) -> Any:
        self.calls.append(arch)
        return self

    def serve(self) -> None:
        self.calls.append("serve")

    def refresh(self) -> None:
        self.calls.append("refresh")


@pytest.fixture
def serving(executor: FakeExecutor, monkeypatch: pytest.MonkeyPatch) -> FakeServing:
    def add_model(store: Store, *_: object, **__: object) -> StoredModelVersion:
        return store.model_version("dlrm")

    fake = FakeServing()
    monkeypatch.setattr("scheduler.campaigns.add_model", add_model)
    monkeypatch.setattr("scheduler.demo.run.Serving", fake)
    return fake


def run(invoke: Invoke, *args: str) -> Any:
    Path("m.pt2").touch()
    return invoke("demo", "--model", "m.pt2", "--buckets", "1,16", *args)


def test_the_story(invoke: Invoke, serving: FakeServing) -> None:
    result = run(invoke, "--arch", "x86-64-v3")
    assert result.exit_code == 0, result.stderr
    assert serving.calls == ["x86-64-v3", "serve", "refresh"]
    text = result.stdout
    for part in ("1  Model", "2  Tuning", "2 of 2 jobs done", "3  Serving", "4  Refresh"):
        assert part in text
        text = text.partition(part)[2]
    secs = r"\d+:\d\d"
    steps = ", ".join(f"{name} {secs}" for name in ("model", "tuning", "serving", "refresh"))
    assert re.search(f"{secs} in all: {steps}\n", text)
    assert "tunefleet --db sqlite:///" in text
    assert "lookup m --batch 16" in text
    assert not result.stderr


def test_a_demo_that_was_killed_goes_on(invoke: Invoke, serving: FakeServing, world: World) -> None:
    campaign = world.campaign(1, 16, strategy="autotvm")
    result = run(invoke)
    assert f"resuming campaign {campaign}: 0 measurements already there" in result.stdout
    assert result.exit_code == 0


def test_it_serves_what_there_is_if_a_job_failed(
    invoke: Invoke, serving: FakeServing, executor: FakeExecutor
) -> None:
    executor.failing = [16]
    result = run(invoke)
    assert result.exit_code == 3
    assert "serve" in serving.calls
    assert result.stderr.startswith("error: znver4/16 failed: the compiler refused\n")


def test_it_ends_if_every_job_failed(
    invoke: Invoke, serving: FakeServing, executor: FakeExecutor
) -> None:
    executor.failing = [1, 16]
    assert run(invoke).exit_code == 1
    assert not serving.calls


def test_files_and_database_are_made_where_they_are_asked_for(
    invoke: Invoke, serving: FakeServing, world: World, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    world.store.close()
    shutil.copy(tmp_path / "tunefleet.db", tmp_path / "sub")
    result = run(invoke, "--dir", "sub")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "sub" / "tunefleet-demo").is_dir()
    assert not (tmp_path / "tunefleet-demo").exists()


def test_a_small_model_is_served_and_refreshed(
    small_dlrm: Path, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuner.arch import host_arch

    monkeypatch.setattr("scheduler.demo.timing.REPEAT_S", 1e-4)
    made = options(tmp_path, archs=(host_arch(),), buckets=(8,))
    told = story()
    serving = Serving(made, ModelFiles(small_dlrm), host_arch().name, told)
    results = serving.serve()
    serving.refresh()
    assert [(result.batch, result.from_database) for result in results] == [(8, 0)]
    assert all(result.kernels > 2 and result.tuned > 0 for result in results)
    text = text_of(told)
    assert text.count("largest difference from PyTorch") == 2
    assert "(batches 8, 100)" in text
    assert "nothing was compiled" in text
    assert "0 of " in text
    assert max(map(len, text.splitlines())) <= 80
