"""The C++ host, built for tests and benchmarks; what builds it is found, or installed."""

from __future__ import annotations

import fcntl
import shutil
import sys
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
}
#: What is built by sanitizer: one process that is damaged, and one whose threads are hammered.
_TARGETS = {"": "all", "address": "tunefleet-score", "thread": "tunefleet-bench"}


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
    options = [f"-DTUNEFLEET_PYTHON={sys.executable}", f"-DTUNEFLEET_SANITIZE={sanitizer}"]
    with (folder / ".lock").open("w") as lock:
        # Runs of the tests in one checkout share what is built.
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "-G", "Ninja", "-S", _SOURCE, "-B", folder, "-DTUNEFLEET_BENCH=ON", *options)
        run("cmake", "--build", folder, "--target", _TARGETS[sanitizer])
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
    return [package for found, package in _PACKAGES.items() if not _there(found)]


def _there(what: str) -> bool:
    return Path(what).exists() if what.startswith("/") else shutil.which(what) is not None
