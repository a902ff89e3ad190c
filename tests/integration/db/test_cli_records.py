"""``tunefleet db compare`` and ``tunefleet db rollback``: best records over time, and back."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from db import Store
from db.cli import db_group
from db.testing.builders import ARCH, TOOLCHAIN, World, measurement, promotion, workload

DIGEST = workload().digest


def _run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(db_group, list(arguments), obj={"db": url})


def _best(store: Store) -> float:
    return store.best_records([DIGEST], ARCH.name, TOOLCHAIN.key)[DIGEST].run_secs


@pytest.fixture
def nights(world: World) -> tuple[datetime, datetime]:
    """A best record of 20 µs, a faster one of 10 µs, and a moment after each."""
    moments = []
    for number, secs in enumerate((2e-5, 1e-5)):
        made = measurement(number, secs=secs)
        assert world.store.promote(promotion(made), measurements=[made])
        # SQLite's clock ticks in milliseconds; what follows is to be after this moment.
        time.sleep(0.01)
        moments.append(world.store.now())
        time.sleep(0.01)
    return moments[0], moments[1]


def test_two_nights_side_by_side(nights: tuple[datetime, datetime], url: str) -> None:
    moments = [moment.isoformat() for moment in nights]
    result = _run(url, "compare", *moments, "--json")
    assert result.exit_code == 0, result.output
    (change,) = json.loads(result.stdout)["changes"]
    assert change["speedup"] == pytest.approx(2.0)
    assert change["arch"] == ARCH.name
    assert "2.000x" in _run(url, "compare", *moments).output


def test_a_night_before_there_was_anything(nights: tuple[datetime, datetime], url: str) -> None:
    long_ago = nights[0] - timedelta(days=1)
    output = _run(url, "compare", long_ago.isoformat(), nights[0].isoformat()).output
    assert "- ->" in output
    nothing = _run(url, "compare", long_ago.isoformat(), long_ago.isoformat())
    assert nothing.output == "no best records\n"


def test_a_moment_that_is_none(url: str, world: World) -> None:
    result = _run(url, "compare", "yesterday", "today")
    assert result.exit_code == 2
    assert "2026-11-22T06:00" in result.output


def test_a_record_is_rolled_back_to_the_one_before(
    nights: tuple[datetime, datetime], url: str, store: Store
) -> None:
    assert _best(store) == pytest.approx(1.01e-5)
    key = (DIGEST, "--arch", ARCH.name, "--toolchain", TOOLCHAIN.key)
    result = _run(url, "rollback", *key, "--reason", "scores differ")
    assert result.exit_code == 0, result.output
    assert _best(store) == pytest.approx(2.02e-5)
    # The same measurement is not taken again.
    again = measurement(1, secs=1e-5)
    assert not store.promote(promotion(again), measurements=[again])


def test_nothing_to_roll_back(url: str, world: World) -> None:
    result = _run(
        url, "rollback", DIGEST, "--arch", ARCH.name, "--toolchain", "x", "--reason", "none"
    )
    assert result.exit_code == 1
    assert "tunefleet lookup MODEL" in result.output
