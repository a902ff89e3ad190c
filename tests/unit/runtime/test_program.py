"""A bucket is one compiled function wherever that can be, and says why where it cannot."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from runtime import Engine, InputError, Model
from runtime.arenas import ThreadArenas
from runtime.blueprint import Blueprint
from runtime.inputs import random_inputs
from runtime.program import Program, SharedKernels, plan_program
from runtime.program.graph import Graph, Source, Step, Value
from runtime.program.memory import plan_memory
from runtime.weights import WeightSchema
from tests.unit.runtime.conftest import open_bags, torch_scores


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Straight lines of kernels, each reading some of what was written before it."""
    graph = Graph()
    written: list[Value] = []
    for i in range(draw(st.integers(1, 12))):
        read = draw(st.lists(st.sampled_from(written), max_size=3)) if written else []
        new = Value(Source.ACTIVATION, i, draw(st.integers(0, 500)))
        graph.steps.append(Step(f"kernel_{i}", (*read, new)))
        written.append(new)
    graph.activations = len(written)
    return graph


@given(graph=graphs())
def test_what_lives_together_lies_apart(graph: Graph) -> None:
    offsets, size = plan_memory(graph)
    last = {v: at for at, step in enumerate(graph.steps) for v in step.arguments}
    for at, step in enumerate(graph.steps):
        alive = [s.arguments[-1] for s in graph.steps[: at + 1] if last[s.arguments[-1]] >= at]
        for value in step.arguments:
            begin = offsets[value.index]
            assert begin % 64 == 0
            assert begin + value.nbytes <= size
        spans = sorted((offsets[v.index], offsets[v.index] + v.nbytes) for v in alive)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_every_bucket_is_one_function(served: Model) -> None:
    assert [b.machine for b in served.report().buckets] == ["", ""]
    for batch in (1, 5, 8, 20):
        assert served._attempt(served.random_inputs(batch), served._served) is not None


class _Net(nn.Module):
    """Three inputs: floats, row numbers of two tables, and one of them as floats."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Embedding(30, 8), nn.Embedding(50, 8)
        self.dense = nn.Linear(24, 3)

    def forward(
        self, x: torch.Tensor, ids: torch.Tensor, more: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = self.first(ids[:, 0]), self.second(ids[:, 1])
        c = self.second(more[:, 1].long())
        y = self.dense(torch.cat([a, b, c], 1)) * x
        return torch.sigmoid(y), y.sum(1)


@pytest.fixture(scope="module")
def net(engine: Engine) -> tuple[Model, _Net]:
    module = _Net().eval()
    batch = torch.export.Dim("batch", min=1)
    example = (torch.randn(4, 3), torch.ones(4, 2, dtype=torch.int64), torch.ones(4, 2))
    shapes = ({0: batch}, {0: batch}, {0: batch})
    with torch.no_grad():
        program = torch.export.export(module, example, dynamic_shapes=shapes)
    return engine.load(program, buckets=(1, 4)), module


@pytest.mark.parametrize("batch", [1, 3, 4, 11])
def test_limits_of_each_column_and_several_outputs(net: tuple[Model, _Net], batch: int) -> None:
    model, module = net
    inputs = model.random_inputs(batch, seed=batch)
    outputs = model._attempt(inputs, model._served)
    assert outputs is not None
    with torch.no_grad():
        expected = module(*map(torch.from_numpy, inputs))
    for have, want in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(have, want.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("at", "column", "bad"),
    [(1, 0, 30), (1, 1, 50), (1, 0, -1), (2, 1, 50.0), (2, 1, np.nan), (2, 1, -1.0), (2, 1, 1e30)],
)
def test_numbers_outside_of_a_table(
    net: tuple[Model, _Net], at: int, column: int, bad: float
) -> None:
    model, _ = net
    inputs = model.random_inputs(6)
    inputs[at][5, column] = bad
    assert model._attempt(inputs, model._served) is None
    with pytest.raises(InputError, match="row 5"):
        model(*inputs)


def test_free_columns_hold_anything(net: tuple[Model, _Net]) -> None:
    model, _ = net
    inputs = model.random_inputs(2)
    before = model(*inputs)
    inputs[2][:, 0] = (np.nan, 1e30)
    for have, want in zip(model(*inputs), before, strict=True):
        np.testing.assert_array_equal(have, want)


def test_open_shapes_run_on_the_virtual_machine(engine: Engine) -> None:
    module, example, program = open_bags()
    with torch.no_grad():
        expected = module(*example).numpy()
    model = engine.load(program, buckets=(4,))
    (bucket,) = model.report().buckets
    assert "open" in bucket.machine or "offsets" in bucket.machine
    assert bucket.machine in str(model.report())
    np.testing.assert_allclose(model(*(t.numpy() for t in example)), expected, atol=1e-6)


def test_read_only_and_foreign_layouts(served: Model) -> None:
    dense, sparse = served.random_inputs(8)
    expected = served(dense, sparse)
    dense.setflags(write=False)
    np.testing.assert_array_equal(served(dense, sparse), expected)
    np.testing.assert_array_equal(served(np.asfortranarray(dense), sparse), expected)
    np.testing.assert_array_equal(served(dense[::-1][::-1], sparse), expected)
    wide = np.zeros((8, 10), np.float32)
    wide[:, ::2] = dense
    np.testing.assert_array_equal(served(wide[:, ::2], sparse), expected)


def test_code_refuses_an_arena_that_is_too_small(served: Model) -> None:
    import tvm

    program = served._served.buckets[8].runner
    assert isinstance(program, Program)
    inputs = served.random_inputs(8)
    table, room = program.table(served._served.weights), tvm.runtime.empty((64,), "uint8")
    scores = np.zeros(8, np.float32)
    assert program.score(*inputs, table, room, scores, 0) == 2
    arena = ThreadArenas().take(program.arena_bytes)[0]
    assert program.score(*inputs, table, arena, scores, 8) == 2
    assert program.score(*inputs, table, arena, scores, -1) == 2
    with pytest.raises(Exception, match="shape"):
        program.score(*inputs, table, arena, scores[:4], 0)


def test_one_arena_per_thread_given_back_on_request() -> None:
    arenas = ThreadArenas()
    arenas.expect(1000)
    first = arenas.take(10)
    assert first[1] == 1000
    second = arenas.take(10)
    assert second[0] is not first[0]
    arenas.put(first)
    arenas.put(second)
    assert arenas.held() == (1000,)
    assert arenas.take(5000)[1] == 5000
    arenas.put(first)
    working = arenas.take(10)
    assert arenas.release() == 0
    arenas.put(working)
    assert arenas.release() == 1000
    assert arenas.held() == ()

    thread = threading.Thread(target=lambda: arenas.put(arenas.take(10)))
    thread.start()
    thread.join()
    assert arenas.held() == ()


def test_a_call_outlives_a_release(served: Model, small_dlrm: Path) -> None:
    from runtime.arenas import ARENAS

    inputs = served.random_inputs(8)
    expected = served(*inputs)
    stop = threading.Event()

    def release() -> None:
        while not stop.is_set():
            ARENAS.release()

    thread = threading.Thread(target=release)
    thread.start()
    try:
        for _ in range(300):
            np.testing.assert_array_equal(served(*inputs), expected)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("at", [0, 0.5, 1])
def test_kernels_stay_in_order_whatever_their_schedules(small_dlrm: Path, at: float) -> None:
    """LLVM may inline kernels side by side: what one writes the next one reads."""
    from tuner.arch import host_arch, simd_of, target_of
    from tuner.graph.bucket import bucket_module
    from tuner.graph.prepare import prepare
    from tuner.importers import import_model
    from tuner.measure.compile import schedule
    from tuner.templates import template_for
    from tuner.workloads import extract_workloads

    prepared = prepare(import_model(small_dlrm))
    mod = bucket_module(prepared, 8)
    for use in extract_workloads(mod):
        configs = template_for(use.facts).space(use.facts, simd_of(host_arch())).configs
        config = configs[round(at * (len(configs) - 1))]
        for name in use.functions:
            scheduled = schedule(use.func, host_arch(), config=config).mod["main"]
            mod[name] = scheduled.without_attr("global_symbol")
    plan = plan_program(mod, prepared.model, 8)
    program = plan.build({}, SharedKernels(), target_of(host_arch())).load()
    inputs, scores = random_inputs(prepared.model, 8), np.zeros(8, np.float32)
    blueprint = Blueprint.of(prepared)
    weights = WeightSchema(blueprint.layouts, blueprint.weights).pack(prepared.model.params)
    program.bind(weights)(inputs, 0, 8, [scores])
    np.testing.assert_allclose(scores, torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)
