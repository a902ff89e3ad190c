"""A child process that answers calls, and is killed and replaced when it does not.

Children are started by name rather than forked: they share nothing with a parent that may hold
threads, Ray or a database connection, and end by themselves when their parent is gone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import psutil

#: Longest start of a child, in seconds.
START_S = 120.0


class ChildCrashed(Exception):
    """The child ended while it worked on a call; the text says how."""


class ChildTimeout(Exception):
    """The child did not answer in time and was killed."""


class ChildProcess:
    """Calls functions of ``tuner.measure.child`` in another process, one call at a time.

    Parameters
    ----------
    cores
        CPUs the child may use; None leaves them as they are.
    env
        Environment variables on top of this process's own.
    memory_bytes
        Memory the child may map; None takes half of the host's.
    """

    def __init__(
        self,
        cores: set[int] | None = None,
        env: Mapping[str, str] | None = None,
        *,
        memory_bytes: int | None = None,
    ) -> None:
        self._cores = cores
        self._memory_bytes = memory_bytes or psutil.virtual_memory().total // 2
        self._env = dict(env or {})
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        #: Children started so far.
        self.started = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running child."""
        return self._process.pid if self._process else None

    def call(self, function: str, *args: Any, deadline_s: float) -> Any:
        """Call ``tuner.measure.child.<function>(*args)``.

        Raises
        ------
        ChildCrashed, ChildTimeout
            And whatever the function raises.
        """
        # Builds run on a thread of their own, but a champion is rebuilt on the caller's.
        with self._lock:
            return self._call(function, args, deadline_s)

    def _call(self, function: str, args: tuple[Any, ...], deadline_s: float) -> Any:
        try:
            if self._process is None:
                self._start()
            assert self._connection is not None
            self._connection.send((function, args))
            if not self._connection.poll(deadline_s):
                self.close()
                raise ChildTimeout(f"no answer within {deadline_s:g} s")
            ok, value = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ChildCrashed(self._post_mortem()) from error
        if not ok:
            raise value
        return value

    def close(self) -> None:
        """Kill the child."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            env = {**os.environ, **THREADS, **self._env}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tuner.measure.child", str(theirs.fileno()),
                 ",".join(map(str, sorted(self._cores or ()))), str(self._memory_bytes)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=env,
            )  # fmt: skip
        self._connection = Connection(ours.detach())
        self.started += 1
        # Importing a compiler takes seconds, on a busy host many: not the first call's fault.
        if not self._connection.poll(START_S):
            self.close()
            raise ChildTimeout(f"did not start within {START_S:g} s")
        self._connection.recv()

    def _post_mortem(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        return f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


#: Kernels are single-threaded, and TVM must not move threads to cores of its own choice.
THREADS = {
    "TVM_NUM_THREADS": "1",
    "TVM_BIND_THREADS": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
