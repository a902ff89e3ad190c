"""Who measured: the facts about this host that are stored with every measurement."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

import psutil


@functools.cache
def cpu_model() -> str:
    """Model name of the CPU, as the kernel prints it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def host_name() -> str:
    """Name of this host."""
    return platform.node()


def is_alive(pid: int) -> bool:
    """True if a process of this host is running."""
    return pid != os.getpid() and psutil.pid_exists(pid)
