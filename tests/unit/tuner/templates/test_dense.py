"""Every dense configuration computes the same, and every shape has some."""

from __future__ import annotations

import random

import numpy as np
import pytest
import tvm
from tvm import te

from tuner.arch import host_arch, resolve, runs_on, simd_of
from tuner.measure.compile import llvm_ir, load_kernel, schedule, trace_text
from tuner.ops import dense, pack_dense, packed_shape
from tuner.templates import template_for
from tuner.templates.base import Config
from tuner.workloads.digest import normalise
from tuner.workloads.facts import Facts, facts_of

LEVELS = ("avx2", "avx512")
#: (batch, K, N): round ones, the edges of a model, primes, fewer rows than any tile.
SHAPES = (
    (1, 512, 256),
    (1, 13, 13),
    (2, 64, 16),
    (4, 415, 128),
    (7, 13, 64),
    (16, 128, 96),
    (17, 37, 41),
    (29, 31, 48),
    (64, 64, 415),
    (100, 256, 13),
    (8, 1024, 192),
)


def layer(batch: int, k: int, n: int) -> tvm.tirx.PrimFunc:
    """``relu(x @ w^T + b)``."""
    x = te.placeholder((batch, k), name="x")
    w = te.placeholder(packed_shape(n, k), name="w")
    b = te.placeholder((n,), name="b")
    y = dense(x, w, n)
    zero = tvm.tirx.const(0.0, "float32")
    out = te.compute((batch, n), lambda i, j: tvm.tirx.max(y[i, j] + b[j], zero), name="compute")
    return normalise(te.create_prim_func([x, w, b, out]).with_attr("tirx.noalias", True))


def some(configs: tuple[Config, ...], facts: Facts) -> list[Config]:
    """A few configurations, those with tiles that divide neither batch nor panels among them."""
    batch, padded, _ = facts.extents["dense"]
    rows = [c for c in configs if batch % c["rows"]]
    panels = [c for c in configs if (padded // 16) % c["panels"]]
    ahead = [c for c in configs if c["ahead"]]
    rng = random.Random(0)
    return [
        c for part in (rows, panels, ahead, configs) for c in rng.sample(part, min(2, len(part)))
    ]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_configuration_computes_the_layer(level: str, shape: tuple[int, int, int]) -> None:
    arch = resolve(level)
    if not runs_on(arch, host_arch()):
        pytest.skip(f"this CPU has no {level}")
    batch, k, n = shape
    func = layer(*shape)
    facts = facts_of(func)
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((batch, k), (n, k), (n,)))
    expected = np.maximum(x.astype(np.float64) @ w.T.astype(np.float64) + b, 0.0)
    packed = pack_dense(w, transposed=False)
    space = template_for(facts).space(facts, simd_of(arch))
    for config in some(space.configs, facts):
        kernel = load_kernel(llvm_ir(schedule(func, arch, config=config).mod, arch))
        out = tvm.runtime.tensor(np.full((batch, n), np.nan, np.float32))
        kernel["main"](*(tvm.runtime.tensor(a) for a in (x, packed, b)), out)
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-4, atol=1e-4, err_msg=str(config))


def test_weights_beyond_a_cores_caches_can_be_prefetched() -> None:
    """By as many instructions as a pass of the innermost loop reads lines, in a replay too."""
    arch = resolve("avx512")
    func = layer(8, 1024, 192)
    facts = facts_of(func)
    space = template_for(facts).space(facts, simd_of(arch))
    config = next(
        c
        for c in space.configs
        if c["ahead"] and c["panels"] == 3 and c["rows"] == 8 and c["unroll"] == 2
    )
    done = schedule(func, arch, config=config)
    replayed = schedule(func, arch, trace=trace_text(done.trace))
    for mod in (done.mod, replayed.mod):
        assert mod.script().count("T.prefetch(") == 2 * 3
    small = facts_of(layer(8, 64, 192))
    assert all(not c["ahead"] for c in template_for(small).space(small, simd_of(arch)).configs)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 7, 13, 16, 31, 64, 97, 256, 1000])
@pytest.mark.parametrize(("k", "n"), [(13, 64), (415, 512), (1, 5), (1021, 1009)])
def test_every_shape_has_configurations(level: str, batch: int, k: int, n: int) -> None:
    facts = facts_of(layer(batch, k, n))
    template, simd = template_for(facts), simd_of(resolve(level))
    space = template.space(facts, simd)
    assert template.default(facts, simd) in space
    # Searching must stay cheaper than measuring.
    assert len(space) < 1000


@pytest.mark.parametrize("batch", [13, 16, 17, 64])
def test_tiles_of_avx2_fill_its_registers(batch: int) -> None:
    """No power of two does: 4 x 2 vectors leave it waiting for its own results."""
    facts = facts_of(layer(batch, 512, 512))
    config = template_for(facts).default(facts, simd_of(resolve("avx2")))
    assert config["rows"] * config["panels"] * 2 > 8
