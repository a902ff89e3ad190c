"""Strategies by name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tvm import tirx

from db import Measured
from db.testing.builders import ARCH
from tests.unit.tuner.sketch.functions import dense_function, softmax_function, text
from tuner.errors import TunerError
from tuner.strategy import AnsorStrategy, AutoStrategy, AutoTvmStrategy, Strategy, make_strategy
from tuner.testing.conformance import as_known, search
from tuner.workloads.facts import facts_of

DENSE = dense_function()
#: No template of its own fits it.
DOWN = softmax_function(axis=0)


def make(
    name: str,
    function: tirx.PrimFunc = DENSE,
    *,
    known: Mapping[str, Measured] | None = None,
    roofline: float | None = None,
) -> Strategy:
    return make_strategy(
        name,
        "a" * 64,
        facts_of(function),
        ARCH,
        seed=0,
        known=known or {},
        tir=text(function),
        roofline=roofline,
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [("autotvm", AutoTvmStrategy), ("ansor", AnsorStrategy), ("auto", AutoStrategy)],
)
def test_a_strategy_has_a_name(name: str, kind: type[Strategy]) -> None:
    assert isinstance(make(name), kind)


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(TunerError, match="unknown strategy 'bayes'; known are auto, "):
        make("bayes")


def test_all_begin_with_the_same_default() -> None:
    firsts = {make(name).ask(1)[0].digest for name in ("autotvm", "ansor", "auto")}
    assert len(firsts) == 1


def test_auto_sketches_at_once_what_has_no_template_of_its_own() -> None:
    told = search(make("auto", DOWN), 4)
    assert [o.candidate.config is not None for o in told] == [True, False, False, False]


def test_auto_sketches_what_a_template_leaves() -> None:
    whole = search(make("autotvm"), 1000)
    known = as_known(whole)
    assert make("auto", known=known, roofline=1.0).remaining == 0
    (more,) = make("auto", known=known, roofline=1e-12).ask(1)
    assert more.strategy == "ansor"
    assert more.trace is not None
