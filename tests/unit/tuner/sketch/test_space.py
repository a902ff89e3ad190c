"""Programs that rules derive: valid, serial, and the same again when they are replayed."""

from __future__ import annotations

import random

import pytest
import tvm
import tvm_ffi
from tvm import tirx

from db.testing.builders import ARCH
from tests.unit.tuner.sketch.functions import dense_function, many_sums, softmax_function
from tuner.measure.compile import schedule
from tuner.sketch import Program, SketchSpace
from tuner.sketch.space import MAX_REDUCTIONS
from tuner.templates.blocks import VECTOR


@pytest.fixture(scope="module")
def func() -> tirx.PrimFunc:
    return dense_function()


@pytest.fixture(scope="module")
def space(func: tirx.PrimFunc) -> SketchSpace:
    return SketchSpace(func, ARCH)


def drawn(space: SketchSpace, count: int = 12, **options: bool) -> list[Program]:
    programs = [space.sample(i % len(space.sketches), i + 1, **options) for i in range(count)]
    return [p for p in programs if p is not None]


def loops(mod: tvm.IRModule, kind: int) -> list[tirx.For]:
    found: list[tirx.For] = []
    tvm_ffi.structural_walk(mod["main"].body, (tirx.For, found.append))
    return [loop for loop in found if int(loop.kind) == kind]


def test_a_dense_layer_has_several_sketches(space: SketchSpace) -> None:
    assert space.reason == ""
    assert len(space.sketches) > 1
    assert len({p.key for p in drawn(space)}) > 6


def test_no_loop_is_parallel_or_bound_to_a_thread(space: SketchSpace) -> None:
    for program in drawn(space):
        assert not loops(program.mod, int(tirx.ForKind.PARALLEL))
        assert not loops(program.mod, int(tirx.ForKind.THREAD_BINDING))


def test_vectors_stay_within_a_weight_panel(space: SketchSpace) -> None:
    vectors = [v for p in drawn(space) for v in loops(p.mod, int(tirx.ForKind.VECTORIZED))]
    assert vectors
    assert max(int(v.extent) for v in vectors) <= VECTOR


def test_mended_programs_compute_whole_vectors(space: SketchSpace) -> None:
    for program in drawn(space, whole_vectors=True):
        widths = [int(v.extent) for v in loops(program.mod, int(tirx.ForKind.VECTORIZED))]
        assert VECTOR in widths


def test_the_same_seed_draws_and_mutates_the_same(func: tirx.PrimFunc, space: SketchSpace) -> None:
    again = SketchSpace(func, ARCH)
    first, second = drawn(space), drawn(again)
    assert [p.trace for p in first] == [p.trace for p in second]
    one, two = (s.mutate(first[0], random.Random(3)) for s in (space, again))
    assert one is not None
    assert two is not None
    assert one.trace == two.trace != first[0].trace


def test_a_trace_is_replayed_by_the_builder_and_by_the_space(
    func: tirx.PrimFunc, space: SketchSpace
) -> None:
    for program in drawn(space, 6):
        built = schedule(func, ARCH, trace=program.trace)
        assert tvm_ffi.structural_equal(built.mod["main"], program.mod["main"])
        replayed = space.replay(program.trace)
        assert replayed is not None
        assert replayed.key == program.key
        assert replayed.mutable
        assert space.mutate(replayed, random.Random(1)) is not None


def test_a_trace_of_something_else_is_refused(space: SketchSpace) -> None:
    other = drawn(SketchSpace(softmax_function(), ARCH), 1)
    assert space.replay(other[0].trace) is None
    assert space.replay("{") is None


def test_a_template_has_nothing_to_mutate(func: tirx.PrimFunc, space: SketchSpace) -> None:
    from tuner.measure.compile import trace_text

    program = space.replay(trace_text(schedule(func, ARCH).trace))
    assert program is not None
    assert not program.mutable


def test_many_reductions_are_refused_before_they_multiply() -> None:
    assert SketchSpace(many_sums(2), ARCH).sketches
    space = SketchSpace(many_sums(MAX_REDUCTIONS + 1), ARCH)
    assert not space.sketches
    assert "reductions" in space.reason
