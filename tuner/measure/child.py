"""The other end of `tuner.measure.process`: runs in a child process and answers calls."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any


def build(*args: Any) -> Any:
    """See `tuner.measure.compile.build_kernel`."""
    from tuner.measure.compile import build_kernel

    return build_kernel(*args)


def run(*args: Any) -> Any:
    """See `tuner.measure.run.run_kernel`."""
    from tuner.measure.run import run_kernel

    return run_kernel(*args)


def compare(*args: Any) -> Any:
    """See `tuner.measure.run.compare_kernels`."""
    from tuner.measure.run import compare_kernels

    return compare_kernels(*args)


def calibrate() -> dict[str, float]:
    """See `tuner.measure.calibration.calibrate`."""
    from tuner.measure.calibration import calibrate as measured

    return measured()


_FUNCTIONS = {f.__name__: f for f in (build, run, compare, calibrate)}


def serve(connection: Connection) -> None:
    """Say that this end is ready, then answer calls until the other end is gone."""
    # What every call needs: its first use must not count against a deadline.
    import tuner.measure.run  # noqa: F401

    connection.send("ready")
    while True:
        try:
            name, args = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (True, _FUNCTIONS[name](*args))
        except Exception as error:
            answer = (False, RuntimeError(f"{type(error).__name__}: {error}"))
        connection.send(answer)


def _end_with_parent() -> None:
    """A kernel that never returns must not outlive a parent that was killed."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    """``python -m tuner.measure.child FD CORES BYTES``."""
    fd, cores, memory = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    # What a candidate asks for beyond it is refused to it, rather than taken from the host.
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    if cores:
        os.sched_setaffinity(0, {int(c) for c in cores.split(",")})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(Connection(fd))


if __name__ == "__main__":
    main()
