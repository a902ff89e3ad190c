"""Errors that differ in nothing that matters have one signature."""

from __future__ import annotations

import pytest

from db.domain.signatures import normalised, signature


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 12.5 s, more than 10 s", "took 11 s, more than 10 s"),
        ("segfault at 0x7f3a00", "segfault at 0x10"),
        ("/tmp/a1/kernel.so: no such file", "/tmp/zz/b/kernel.so: no such file"),
        ("workload a354038c56b928800963 refused", "workload bb4e0935ac0e1f88ab21 refused"),
        ("differs by 1.5e-3", "differs by 2e10"),
    ],
)
def test_what_differs_from_case_to_case_is_left_out(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert signature("run_error", one) == signature("run_error", other)


def test_what_an_error_is_stays_in() -> None:
    assert signature("run_error", "no memory") != signature("build_error", "no memory")
    assert signature("run_error", "no memory") != signature("run_error", "no disk")


def test_the_line_that_tells_most() -> None:
    trace = "Traceback (most recent call last):\n  File x\nValueError: no such axis"
    assert normalised(trace) == "ValueError: no such axis"
    assert normalised("\n LLVM refused\nbecause") == "LLVM refused"
    assert normalised(None) == normalised(" \n") == ""
    assert len(normalised("x" * 10_000)) == 200
