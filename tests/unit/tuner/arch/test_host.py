"""Which CPU this machine is taken for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import tvm

from tuner.arch import known
from tuner.errors import UnknownArchitecture

#: Flags of an EPYC 9004 as Linux shows them to a guest whose memory protection keys are masked off.
_FLAGS = (
    "abm adx aes avx avx2 avx512_bf16 avx512_bitalg avx512_vbmi2 avx512_vnni avx512_vpopcntdq "
    "avx512bw avx512cd avx512dq avx512f avx512ifma avx512vbmi avx512vl bmi1 bmi2 f16c fma gfni "
    "movbe popcnt sse4_2 sse4a vaes vpclmulqdq"
)
ZEN4 = frozenset(_FLAGS.split())


@pytest.fixture
def taken_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, frozenset[str]], str]]:
    def name(llvm: str, flags: frozenset[str]) -> str:
        known.host_arch.cache_clear()
        monkeypatch.setattr(tvm.target.codegen, "llvm_get_system_cpu", lambda: llvm)
        monkeypatch.setattr(known, "_host_flags", lambda: flags)
        return known.host_arch().name

    yield name
    known.host_arch.cache_clear()


def test_a_cpu_is_known_by_its_model_whatever_else_is_masked(
    taken_for: Callable[[str, frozenset[str]], str],
) -> None:
    assert taken_for("znver4", ZEN4) == "znver4"


@pytest.mark.parametrize("masked", ["avx512_vnni", "avx512_bf16", "gfni", "vpclmulqdq", "abm"])
def test_a_cpu_without_an_instruction_of_its_model_is_one_of_its_level(
    taken_for: Callable[[str, frozenset[str]], str], masked: str
) -> None:
    assert taken_for("znver4", ZEN4 - {masked}) == "x86-64-v4"


def test_a_cpu_without_avx512_is_one_of_the_level_below(
    taken_for: Callable[[str, frozenset[str]], str],
) -> None:
    flags = frozenset(flag for flag in ZEN4 if not flag.startswith("avx512"))
    assert taken_for("znver4", flags) == "x86-64-v3"
    assert taken_for("a model of next year", flags) == "x86-64-v3"


def test_a_cpu_without_vectors_is_refused(taken_for: Callable[[str, frozenset[str]], str]) -> None:
    with pytest.raises(UnknownArchitecture, match="neither avx2 nor avx512"):
        taken_for("nehalem", frozenset({"sse4_2"}))


def test_this_machine_is_one_that_it_runs_the_kernels_of() -> None:
    assert known.runs_on(known.resolve(known.host_arch().isa_level), known.host_arch())
