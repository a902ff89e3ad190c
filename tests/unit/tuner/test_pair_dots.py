"""Pairs are computed straight in their order, for every size, width of vectors and tile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from db import CpuArch
from tests.kernels import bind_batch, check_kernel, host_archs
from tuner.arch import simd_of
from tuner.ops import CopySegment, DotSegment, PairDots, pair_dots, runs_of
from tuner.ops.pair_dots import PairSegment
from tuner.templates import template_for
from tuner.workloads.facts import facts_of

#: Each example compiles a kernel: too slow to shrink.
KERNELS = settings(max_examples=8, phases=[Phase.explicit, Phase.generate], deadline=None)

Pairs = tuple[np.ndarray, np.ndarray]


def triangle(vectors: int) -> tuple[PairSegment, ...]:
    return tuple(runs_of(*ORDERS["lower"](vectors)))


ORDERS: dict[str, Callable[[int], Any]] = {
    "lower": lambda n: np.tril_indices(n, -1),
    "lower with diagonal": lambda n: np.tril_indices(n),
    "upper": lambda n: np.triu_indices(n, 1),
    "all": lambda n: np.divmod(np.arange(n * n), n),
}


def check(
    batch: int,
    vectors: int,
    depth: int,
    pairs: Pairs,
    arch: CpuArch,
    config: dict[str, int] | None = None,
) -> None:
    copies = (5, 33)
    operator = PairDots((CopySegment(1, 5), *runs_of(*pairs), CopySegment(2, 31, 2)))
    func = bind_batch(pair_dots(vectors, depth, copies, operator), batch)

    def expected(x: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        z = np.einsum("bid,bjd->bij", x, x)
        return np.concatenate([left, z[:, pairs[0], pairs[1]], right[:, 2:]], axis=1)

    check_kernel(func, expected, arch, config)


@pytest.mark.parametrize("arch", host_archs(), ids=lambda a: a.isa_level)
@KERNELS
@given(
    batch=st.integers(1, 3),
    vectors=st.integers(2, 30),
    depth=st.integers(1, 70),
    order=st.sampled_from(sorted(ORDERS)),
)
def test_any_size(arch: CpuArch, batch: int, vectors: int, depth: int, order: str) -> None:
    check(batch, vectors, depth, ORDERS[order](vectors), arch)


@pytest.mark.parametrize("arch", host_archs(), ids=lambda a: a.isa_level)
@pytest.mark.parametrize(("vectors", "depth"), [(27, 64), (7, 13)])
def test_any_configuration(arch: CpuArch, vectors: int, depth: int) -> None:
    facts = facts_of(bind_batch(pair_dots(vectors, depth, [], PairDots(triangle(vectors))), 2))
    space = template_for(facts).space(facts, simd_of(arch)).configs
    for config in space[:: len(space) // 4]:
        check(2, vectors, depth, ORDERS["lower"](vectors), arch, config)


@given(vectors=st.integers(1, 200), depth=st.integers(1, 300))
@KERNELS
def test_the_default_is_in_the_space(vectors: int, depth: int) -> None:
    operator = PairDots((CopySegment(1, 1), DotSegment(0, 0, 1)))
    facts = facts_of(bind_batch(pair_dots(vectors, depth, [1], operator), 1))
    template = template_for(facts)
    assert template.name == "pair_dots"
    for arch in host_archs():
        assert template.default(facts, simd_of(arch)) in template.space(facts, simd_of(arch))


@pytest.mark.parametrize(("order", "runs"), [("lower", 6), ("upper", 6), ("all", 7)])
def test_runs(order: str, runs: int) -> None:
    first, second = ORDERS[order](7)
    found = runs_of(first, second)
    assert len(found) == runs
    told = [(r.row, r.column + i) for r in found for i in range(r.width)]
    assert told == list(zip(first.tolist(), second.tolist(), strict=True))
    # A product has no order: columns of the other triangle are runs, too.
    assert runs_of(second, first) == found


def test_the_operator_survives_as_text() -> None:
    operator = PairDots((CopySegment(1, 3), *triangle(4)))
    assert PairDots.from_json(operator.to_json()) == operator


def test_facts() -> None:
    operator = PairDots((CopySegment(1, 64), *triangle(27)))
    facts = facts_of(bind_batch(pair_dots(27, 64, [64], operator), 16))
    assert facts.op_kind == "pair_dots"
    assert facts.name == "pair_dots 16x27x64 to 415 copy float32"
    assert facts.flops == 2 * 16 * 351 * 64
    assert facts.bytes == 4 * 16 * (27 * 64 + 64 + 415)
