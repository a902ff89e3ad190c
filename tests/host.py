"""The C++ host, built for tests and benchmarks; what builds it is found, or installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

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


def run(*command: str | Path) -> str:
    """Run a command; returns what it printed.

    Raises
    ------
    RuntimeError
        If it fails; with what it had to say.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-4000:]
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{said}")
    return done.stdout


def _require_tools() -> None:
    missing = [package for found, package in _PACKAGES.items() if not _there(found)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        run("apt-get", "-q", "update")
        run("apt-get", "-q", "install", "-y", "--no-install-recommends", *missing)
        missing = [package for found, package in _PACKAGES.items() if not _there(found)]
    if missing:
        raise RuntimeError(f"the C++ host needs packages: apt-get install {' '.join(missing)}")


def _there(what: str) -> bool:
    return Path(what).exists() if what.startswith("/") else shutil.which(what) is not None
