"""The C++ host, built for tests and benchmarks; what builds it is found, or installed."""

from __future__ import annotations

import fcntl
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.debian import install as install_packages
from tests.debian import run

_ROOT = Path(__file__).parents[1]
_SOURCE = _ROOT / "runtime" / "cpp"
#: By what they install; Debian's names.
_PACKAGES = {
    "g++": "g++",
    "cmake": "cmake",
    "ninja": "ninja-build",
    "/usr/include/nlohmann/json.hpp": "nlohmann-json3-dev",
    "/usr/include/openssl/evp.h": "libssl-dev",
    "/usr/include/boost/beast.hpp": "libboost-dev",
}
_FUZZER = "/usr/lib/clang/14/lib/linux/libclang_rt.fuzzer-x86_64.a"
#: Of clang, whose fuzzer and sanitizers come apart from it.
_CLANG = {"clang++-14": "clang-14", _FUZZER: "libclang-rt-14-dev"}


@dataclass(frozen=True, slots=True)
class _Build:
    """One way to build the host."""

    targets: Sequence[str]
    options: Sequence[str]


#: Programs that are damaged, lied to and fuzzed, and those whose threads are hammered, are built
#: apart; objects of one build are shared by its programs.
_BUILDS = {
    "": _Build(["all"], ["-DTUNEFLEET_BENCH=ON"]),
    "address": _Build(
        ["tunefleet-score", "tunefleet-serve", "tunefleet-fuzz"],
        [
            "-DCMAKE_CXX_COMPILER=clang++-14",
            "-DTUNEFLEET_SANITIZE=address,undefined",
            "-DTUNEFLEET_FUZZ=ON",
        ],
    ),
    "thread": _Build(
        ["tunefleet-bench", "tunefleet-serve"],
        ["-DTUNEFLEET_BENCH=ON", "-DTUNEFLEET_SANITIZE=thread"],
    ),
}


def build(sanitizer: str = "") -> Path:
    """Build the host, or what of it changed since the last time.

    Parameters
    ----------
    sanitizer
        ``address`` or ``thread``; without one it is built as it is shipped.

    Returns
    -------
    CMake's build folder.

    Raises
    ------
    RuntimeError
        If it cannot be built: these tests never pass by not running.
    """
    _require_tools()
    folder = _ROOT / "build" / f"host-{sanitizer or 'release'}"
    folder.mkdir(parents=True, exist_ok=True)
    how = _BUILDS[sanitizer]
    options = [f"-DTUNEFLEET_PYTHON={sys.executable}", *how.options]
    with (folder / ".lock").open("w") as lock:
        # Runs of the tests in one checkout share what is built.
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "-G", "Ninja", "-S", _SOURCE, "-B", folder, *options)
        run("cmake", "--build", folder, "--target", *how.targets)
    return folder


def install(folder: Path, to: Path) -> Path:
    """Install what was built; returns `to`, which may be moved."""
    run("cmake", "--install", folder, "--prefix", to)
    return to


def _require_tools() -> None:
    install_packages(_missing())
    if missing := _missing():
        raise RuntimeError(f"the C++ host needs packages: apt-get install {' '.join(missing)}")


def _missing() -> list[str]:
    return [package for found, package in {**_PACKAGES, **_CLANG}.items() if not _there(found)]


def _there(what: str) -> bool:
    return Path(what).exists() if what.startswith("/") else shutil.which(what) is not None
