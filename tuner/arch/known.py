"""CPU architectures by LLVM's names, each with the x86-64 level that it belongs to."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import tvm

from db import CpuArch, Toolchain
from tuner.errors import UnknownArchitecture

#: Names for whole ISA levels: kernels tuned under them run on every CPU of the level.
ALIASES = {"avx2": "x86-64-v3", "avx512": "x86-64-v4"}

_AVX512 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_AVX2 = ("avx2", "fma", "bmi2", "f16c")
#: How the names of features begin whose instructions LLVM may choose for a kernel.
_USED = ("avx", "fma", "f16c", "bmi", "lzcnt", "popcnt", "movbe", "gfni", "vaes", "vpclmul", "amx")
#: LLVM's names of what Linux calls by others.
_LINUX = {"abm": "lzcnt", "bmi1": "bmi"}


@dataclass(frozen=True, slots=True)
class Simd:
    """The vector unit that schedules are made for."""

    #: float32 values in one register.
    lanes: int
    #: Architectural vector registers.
    registers: int


@functools.cache
def _llvm_names() -> tuple[str, ...]:
    generic = tvm.target.Target({"kind": "llvm", "mtriple": "x86_64-linux-gnu"})
    return tuple(sorted(str(n) for n in tvm.target.codegen.llvm_get_cpu_archlist(generic)))


@functools.cache
def _features(name: str) -> frozenset[str]:
    target = tvm.target.Target({"kind": "llvm", "mtriple": "x86_64-linux-gnu", "mcpu": name})
    return frozenset(str(f) for f in tvm.target.codegen.llvm_get_cpu_features(target))


@functools.cache
def known_names() -> tuple[str, ...]:
    """Every name `resolve` takes: aliases, and the LLVM CPUs of an ISA level we compile for."""
    spelled_twice = {n for n in _llvm_names() if n.replace("_", "-") in set(_llvm_names()) - {n}}
    names = (n for n in _llvm_names() if n not in spelled_twice and _level(n) is not None)
    return (*ALIASES, *names)


def _level(name: str) -> str | None:
    features = _features(name)
    if features.issuperset(_AVX512) and features.issuperset(_AVX2):
        return "x86-64-v4"
    return "x86-64-v3" if features.issuperset(_AVX2) else None


def resolve(name: str) -> CpuArch:
    """The CPU architecture of a name: ``host``, ``avx2``, ``avx512`` or an LLVM CPU name.

    Raises
    ------
    UnknownArchitecture
        If LLVM does not know it, or it has neither avx2 nor avx512; the known ones are listed.
    """
    if name == "host":
        return host_arch()
    cpu = ALIASES.get(name, name)
    if cpu not in _llvm_names():
        close = difflib.get_close_matches(name, known_names(), 3)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise UnknownArchitecture(
            f"unknown CPU architecture {name!r}{hint}; known are host, {', '.join(known_names())}"
        )
    level = _level(cpu)
    if level is None:
        raise UnknownArchitecture(
            f"CPU architecture {name!r} has neither avx2 nor avx512; known are host, "
            f"{', '.join(known_names())}"
        )
    vectors = sorted(f for f in _features(cpu) if f.startswith(("avx", "fma", "f16c", "amx")))
    return CpuArch(name=cpu, isa_level=level, features=tuple(vectors))


def _plain(names: Iterable[str]) -> set[str]:
    """Instruction sets by names of one spelling: LLVM has avx512vbmi2, Linux avx512_vbmi2."""
    plain = (re.sub("[^a-z0-9]", "", name) for name in names)
    return {_LINUX.get(name, name) for name in plain}


@functools.cache
def _host_flags() -> frozenset[str]:
    """What this machine's CPU can do, as Linux tells it: no model is guessed from it.

    A flag is there only if the kernel saves the registers that go with it, too.
    """
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


@functools.cache
def host_arch() -> CpuArch:
    """This machine's CPU.

    LLVM's name is used if the CPU has the instructions that LLVM would use for it: virtual machines
    mask features off, and then only the ISA level is safe. What kernels never use, such as keys for
    memory protection, may be missing.
    """
    name = str(tvm.target.codegen.llvm_get_system_cpu())
    have = _plain(_host_flags())
    known = name in _llvm_names() and _level(name) is not None
    if known and _plain(f for f in _features(name) if f.startswith(_USED)) <= have:
        return resolve(name)
    if have.issuperset(_AVX512):
        return resolve("avx512")
    if have.issuperset(_AVX2):
        return resolve("avx2")
    raise UnknownArchitecture(
        f"this CPU ({name}) has neither avx2 nor avx512; tune on another machine, or pass --arch "
        "to compile for one"
    )


def runs_on(arch: CpuArch, host: CpuArch) -> bool:
    """True if code compiled for `arch` may be executed on `host`."""
    return set(arch.features) <= set(host.features)


def simd_of(arch: CpuArch) -> Simd:
    """The vector unit of an architecture."""
    return Simd(16, 32) if arch.isa_level == "x86-64-v4" else Simd(8, 16)


def target_of(arch: CpuArch) -> tvm.target.Target:
    """TVM's target for single-threaded kernels on an architecture."""
    return tvm.target.Target(
        {"kind": "llvm", "mtriple": "x86_64-linux-gnu", "mcpu": arch.name, "num-cores": 1}
    )


@functools.cache
def toolchain() -> Toolchain:
    """The versions that a measurement depends on."""
    from tuner.templates.registry import TEMPLATE_VERSION

    major = str(tvm.target.codegen.llvm_version_major())
    return Toolchain(
        tvm=importlib.metadata.version("apache-tvm"), llvm=major, templates=TEMPLATE_VERSION
    )
