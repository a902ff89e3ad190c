"""Kernels that read tables are timed on rows that change from call to call."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import te

from tuner.measure.data import fresh_lookups, looks_up, make_arguments
from tuner.ops import OffsetBags, bag_from_offsets, embedding_bag
from tuner.workloads.digest import normalise
from tuner.workloads.facts import Facts, facts_of


def facts(rows: int) -> Facts:
    table = te.placeholder((rows, 64), name="table")
    indices = te.placeholder((3, 5), "int64", name="indices")
    func = te.create_prim_func([table, indices, embedding_bag(table, indices)], "int64")
    return facts_of(normalise(func.with_attr("tirx.noalias", True)))


def test_only_indices_change() -> None:
    known = facts(10_000)
    arguments = make_arguments(known)
    calls = fresh_lookups(known, arguments, 4, np.random.default_rng(0))
    assert all(call[0].same_as(arguments[0]) and call[2].same_as(arguments[2]) for call in calls)
    drawn = [call[1].numpy() for call in calls]
    assert all(((d >= 0) & (d < 10_000)).all() and d.shape == (3, 5) for d in drawn)
    assert len({d.tobytes() for d in drawn}) == 4
    assert all(np.from_dlpack(call[1]).ctypes.data % 64 == 0 for call in calls)


def test_offsets_stay_in_order() -> None:
    bags = OffsetBags(10_000, 16, "float32", "int64", "int64", False, False, False)
    known = facts_of(normalise(bag_from_offsets(bags)))
    arguments: list[tvm.runtime.Tensor] = make_arguments(known)
    (call,) = fresh_lookups(known, arguments, 1, np.random.default_rng(0))
    assert call[2].same_as(arguments[2])
    assert (call[1].numpy() != arguments[1].numpy()).any()


def test_small_tables_are_read_from_the_cache() -> None:
    assert looks_up(facts(10_000))
    assert not looks_up(facts(1_000))
