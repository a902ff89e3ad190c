"""Debian's Chromium: found, or installed by those who may."""

from __future__ import annotations

import shutil

from tests.debian import install

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Path of Chromium.

    Raises
    ------
    RuntimeError
        If there is none, and none can be installed: these tests never pass by not running.
    """
    if (found := _found()) is None:
        install(["chromium"])
        found = _found()
    if found is not None:
        return found
    raise RuntimeError("the browser tests need Chromium: apt-get install chromium")


def _found() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)
