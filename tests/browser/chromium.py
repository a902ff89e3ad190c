"""Debian's Chromium: found, or installed by those who may."""

from __future__ import annotations

import os
import shutil
import subprocess

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Path of Chromium.

    Raises
    ------
    RuntimeError
        If there is none, and none can be installed: these tests never pass by not running.
    """
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-q", *command], check=True, capture_output=True)
        if found := shutil.which("chromium"):
            return found
    raise RuntimeError("the browser tests need Chromium: apt-get install chromium")
