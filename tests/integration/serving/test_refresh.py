"""New versions take over while calls run, and nothing is allocated between them."""

from __future__ import annotations

from pathlib import Path

from runtime import Model
from runtime.bundle import BundleFolder
from tests.debian import run
from tests.host import build
from tests.integration.serving.conftest import Scorer, one_output, serve


def test_versions_take_turns(checked: Path, bundle: Path, model: Model, second: Model) -> None:
    inputs = model.random_inputs(20)
    with Scorer(checked / "tunefleet-score", bundle, one_output) as scorer:
        assert scorer.score(20, inputs)[0].tobytes() == second(*inputs).tobytes()
        with BundleFolder(bundle, create=False) as folder:
            assert folder.roll_back() == 1
        assert scorer.score(20, inputs)[0].tobytes() == model(*inputs).tobytes()
        assert scorer.said == ""


def test_files_that_are_served_may_go(checked: Path, bundle: Path, second: Model) -> None:
    inputs = second.random_inputs(20)
    with Scorer(checked / "tunefleet-score", bundle, one_output) as scorer:
        scorer.score(20, inputs)
        for file in [*bundle.glob("code-*"), *bundle.glob("weights-*")]:
            file.unlink()
        assert scorer.score(20, inputs)[0].tobytes() == second(*inputs).tobytes()


def test_calls_see_one_version_while_versions_change(bundle: Path) -> None:
    program = build("thread") / "tunefleet-bench"
    # Several pieces a call, each of which could see another version; 2 threads, 1 round of 1 s, or
    # as long as it takes to see versions and calls. ThreadSanitizer ends the program with an exit
    # code of its own if it saw a race.
    figures = _figures(run(program, "refresh", bundle, "20", "2", "1", "1", "20"))
    assert figures["failed"] == figures["mixed"] == 0
    assert figures["calls"] >= 100
    assert figures["served"] >= 2


def test_calls_allocate_nothing(versions: Path) -> None:
    program = build() / "tunefleet-bench"
    figures = _figures(run(program, "allocations", versions, "20", "1000"))
    # What counts counts: loading allocates.
    assert figures["loading"] > 100
    assert figures["mallocs"] == 0


def test_a_version_that_was_served_is_served_again(
    checked: Path, bundle: Path, model: Model, second: Model
) -> None:
    inputs = model.random_inputs(3)
    with Scorer(checked / "tunefleet-score", bundle, one_output) as scorer:
        for number, expected in [(1, model), (2, second), (1, model)]:
            serve(bundle, number)
            assert scorer.score(3, inputs)[0].tobytes() == expected(*inputs).tobytes()


def _figures(text: str) -> dict[str, float]:
    return {name: float(number) for name, number in map(str.split, text.splitlines())}
