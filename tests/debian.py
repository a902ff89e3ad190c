"""Debian's packages that tests need: found, or installed by those who may."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from db.testing.alone import alone


def install(packages: Sequence[str]) -> None:
    """Install packages, where this process may; whoever needs them looks again afterwards."""
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        # Processes of one run of the tests may want packages at once, and mirrors stumble.
        apt = ("apt-get", "-q", "-o", "Acquire::Retries=5", "-o", "DPkg::Lock::Timeout=600")
        with alone("apt"):
            run(*apt, "update")
            run(*apt, "install", "-y", "--no-install-recommends", *packages)


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
