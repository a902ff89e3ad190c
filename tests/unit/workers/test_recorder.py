"""The recorder: in order, in batches while the database is slow, errors told, nothing dropped."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

import pytest

from db import DatabaseUnavailable, Measurement, Store
from db.testing.builders import measurement
from workers.recorder import BATCH, Recorder


class SlowStore:
    """Stores when it is let."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.stored: list[list[Measurement]] = []
        self.error: Exception | None = None

    def add_measurements(self, measurements: Sequence[Measurement]) -> int:
        self.entered.set()
        assert self.open.wait(240)
        if self.error is not None:
            raise self.error
        self.stored.append(list(measurements))
        return len(measurements)


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


def recorder(store: SlowStore) -> Recorder:
    return Recorder(cast(Store, store))


def test_what_gathers_is_written_in_one_batch(store: SlowStore) -> None:
    made = recorder(store)
    rows = [measurement(i) for i in range(50)]
    made.add(rows[0])
    assert store.entered.wait(240)
    for row in rows[1:]:
        made.add(row)
    store.open.set()
    made.flush()
    assert [len(batch) for batch in store.stored] == [1, 49]
    assert [row for batch in store.stored for row in batch] == rows
    assert made.batches == 2
    made.close()


def test_a_batch_has_an_end(store: SlowStore) -> None:
    made = recorder(store)
    made.add(measurement(0))
    assert store.entered.wait(240)
    for i in range(1, 2 * BATCH + 2):
        made.add(measurement(i))
    store.open.set()
    made.close()
    assert [len(batch) for batch in store.stored] == [1, BATCH, BATCH, 1]


def test_an_error_is_told_at_the_next_chance(store: SlowStore) -> None:
    store.error = DatabaseUnavailable("the disk is full")
    store.open.set()
    made = recorder(store)
    made.add(measurement(0))
    with pytest.raises(DatabaseUnavailable, match="disk is full"):
        made.flush()
    with pytest.raises(DatabaseUnavailable, match="disk is full"):
        made.add(measurement(1))
    made.close()


def test_closing_stores_what_waits(store: SlowStore) -> None:
    made = recorder(store)
    for i in range(5):
        made.add(measurement(i))
    store.open.set()
    made.close()
    assert sum(len(batch) for batch in store.stored) == 5
