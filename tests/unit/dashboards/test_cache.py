"""What is remembered, for how long, and what happens meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboards.cache import Cache


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_value_lasts_as_long_as_it_was_asked_to() -> None:
    clock, made = Clock(), iter(range(10))
    cache = Cache(clock=clock)
    assert [cache.get("a", 5.0, lambda: next(made)) for _ in range(3)] == [0, 0, 0]
    clock.now += 5.0
    assert cache.get("a", 5.0, lambda: next(made)) == 1
    assert cache.get("b", 5.0, lambda: next(made)) == 2


def test_many_who_ask_at_once_wait_for_one() -> None:
    started, go = threading.Event(), threading.Event()
    made = []

    def make() -> int:
        started.set()
        go.wait(240)
        made.append(1)
        return len(made)

    cache = Cache()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(cache.get, "a", 60.0, make) for _ in range(8)]
        assert started.wait(240)
        go.set()
        assert [one.result() for one in asked] == [1] * 8


def test_failures_are_not_remembered() -> None:
    cache = Cache()
    with pytest.raises(ZeroDivisionError):
        cache.get("a", 60.0, lambda: 1 // 0)
    assert cache.get("a", 60.0, lambda: 7) == 7


def test_what_is_made_of_the_same_is_made_once() -> None:
    cache, made = Cache(), iter(range(10))
    one, equal = [1], [1]
    assert [cache.made_of("a", one, lambda: next(made)) for _ in range(3)] == [0, 0, 0]
    assert cache.made_of("a", equal, lambda: next(made)) == 1
    assert cache.made_of("b", equal, lambda: next(made)) == 2
    with pytest.raises(ZeroDivisionError):
        cache.made_of("a", one, lambda: 1 // 0)
    assert cache.made_of("a", one, lambda: next(made)) == 3


def test_what_is_remembered_may_be_made_of_what_has_the_same_name() -> None:
    cache = Cache()
    of = [1]
    assert cache.get("a", 60.0, lambda: cache.made_of("a", of, lambda: 7)) == 7


def test_there_is_only_so_much_room() -> None:
    cache = Cache(room=2)
    for key in ("a", "b", "c"):
        cache.get(key, 60.0, lambda: 1)
    assert cache.get("a", 60.0, lambda: 2) == 2
    assert cache.get("c", 60.0, lambda: 2) == 1
