"""Every configuration of a batched product computes it, and every size has some."""

from __future__ import annotations

import random

import numpy as np
import pytest
import tvm
from tvm import te

from db import CpuArch
from tests.helpers import Array
from tests.kernels import check_kernel, host_archs
from tuner.arch import resolve, simd_of
from tuner.ops import batched_matmul
from tuner.templates import template_for
from tuner.templates.base import Config
from tuner.workloads.digest import normalise
from tuner.workloads.facts import Facts, facts_of

#: (batch, M, N, K): an interaction, an attention, edges, primes, one row.
SIZES = (
    *((2, 27, 27, 64), (3, 6, 64, 8), (1, 64, 64, 16), (2, 13, 32, 31), (2, 1, 48, 16)),
    *((2, 5, 3, 7), (1, 1, 1, 1)),
)


def product(batch: int, m: int, n: int, k: int, *, transposed: bool) -> tvm.tirx.PrimFunc:
    """A scaled product, as in an attention."""
    x = te.placeholder((batch, m, k), name="x")
    y = te.placeholder((batch, n, k) if transposed else (batch, k, n), name="y")
    z = batched_matmul(x, y, transpose_y=transposed)
    out = te.compute(z.shape, lambda *i: z(*i) * 0.125, name="T_multiply")
    return normalise(te.create_prim_func([x, y, out]).with_attr("tirx.noalias", True))


def some(configs: tuple[Config, ...], facts: Facts) -> list[Config]:
    """A few configurations of each way to pack, tiles that do not divide the size among them."""
    _, rows, width, _ = facts.extents["batched_matmul"]
    uneven = [c for c in configs if rows % c["rows"] or width // 16 % c["panels"]]
    groups = [uneven, *([c for c in configs if c["pack"] == pack] for pack in range(4))]
    rng = random.Random(0)
    return [rng.choice(group) for group in groups if group]


@pytest.mark.parametrize("arch", host_archs(), ids=lambda a: a.isa_level)
@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_configuration_computes_the_product(
    arch: CpuArch, size: tuple[int, int, int, int], transposed: bool
) -> None:
    func = product(*size, transposed=transposed)
    facts = facts_of(func)

    def expected(x: Array, y: Array) -> Array:
        return np.asarray(x @ (y.swapaxes(1, 2) if transposed else y) * 0.125)

    template, simd = template_for(facts), simd_of(arch)
    for config in some(template.space(facts, simd).configs, facts):
        check_kernel(func, expected, arch, config)


@pytest.mark.parametrize("level", ["avx2", "avx512"])
@pytest.mark.parametrize("n", [1, 13, 16, 27, 64, 415])
@pytest.mark.parametrize("m", [1, 2, 13, 27, 64, 101])
def test_every_size_has_configurations(m: int, n: int, level: str) -> None:
    facts = facts_of(product(4, m, n, 48, transposed=True))
    template, simd = template_for(facts), simd_of(resolve(level))
    assert template.name == "batched_matmul"
    space = template.space(facts, simd)
    assert template.default(facts, simd) in space
    assert len(space) < 1000
    per_panel = 16 // simd.lanes
    for config in space.configs:
        assert per_panel * config["panels"] * (config["rows"] + 1) < simd.registers


def test_tiles_fill_the_registers_whatever_the_rows() -> None:
    """A prime number of rows is no reason to take them one by one."""
    for rows in (13, 37):
        facts = facts_of(product(4, rows, 64, 64, transposed=False))
        for simd in map(simd_of, map(resolve, ("avx2", "avx512"))):
            config = template_for(facts).default(facts, simd)
            assert config["rows"] * config["panels"] * (16 // simd.lanes) >= 8
