"""The hottest bucket is compiled first, and nothing waits for one that fails."""

from __future__ import annotations

import threading

from runtime.build_order import BuildOrder


def _taken(order: BuildOrder, calls: dict[int, int]) -> list[int | None]:
    return [order.take(calls) for _ in range(len(order.all) + 1)]


def test_traffic_known_beforehand_decides() -> None:
    order = BuildOrder([1, 16, 64], {10: 0.2, 50: 0.7, 1: 0.1}, wait_for_all=False)
    assert _taken(order, {}) == [64, 16, 1, None]


def test_calls_that_come_in_decide() -> None:
    order = BuildOrder([1, 16, 64], {1: 1.0}, wait_for_all=False)
    assert order.take({100: 900, 3: 100, 1: 0}) == 1
    assert order.take({100: 900, 3: 100, 1: 0}) == 64


def test_small_buckets_come_first_where_nothing_is_known() -> None:
    assert _taken(BuildOrder([64, 1], {}, wait_for_all=False), {}) == [1, 64, None]


def test_waiting_ends_when_each_is_ready_or_failed() -> None:
    order = BuildOrder([1, 16], {}, wait_for_all=False)
    assert len(order.pending) == 2
    assert not order.wait(0.0)
    first = order.take({})
    assert first == 1
    waiting = threading.Thread(target=order.wait)
    waiting.start()
    order.done([1])
    assert order.take({}) == 16
    order.fail(16, ValueError("no"))
    waiting.join(240)
    assert not waiting.is_alive()
    assert order.failed == {16: "no"}
    assert not order.pending
