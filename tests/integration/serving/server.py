"""A process that serves over HTTP, and what clients send to it."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from runtime.serving.datatype import datatype

#: Seconds that a server may take to start, or to end.
_PATIENCE = 120.0


class Server:
    """A process of `tunefleet-serve`.

    Parameters
    ----------
    arguments
        Options and bundles, in any order.
    """

    def __init__(self, program: Path, folder: Path, *arguments: object) -> None:
        self._errors = folder / "serve.log"
        words = [program, "--port", 0, "--watch-ms", 20, *arguments]
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen([str(word) for word in words], stderr=errors)
        try:
            self.port = int(self.wait_for("listening")["port"])
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.process.kill()
            self.process.wait()
        elif self.process.returncode is None:
            # A sanitizer that found something ends the process with an exit code of its own.
            assert self.stop() == 0, self._errors.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it logged so far; each whole line is a JSON object."""
        lines = self._errors.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until something was logged so many times; returns the last."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            found = [line for line in self.log if line["event"] == event]
            if len(found) >= count:
                return found[-1]
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"no {event!r}: {self._errors.read_text()}")

    def stop(self) -> int:
        """Let it drain; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body of one answer."""
        connection = self.connect()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, named)
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, said, answer.read()
        finally:
            connection.close()

    def raw(self, sent: bytes) -> bytes:
        """All that comes back for some bytes, until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), _PATIENCE) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while chunk := client.recv(65536):
                    answer += chunk
            except ConnectionResetError:
                # It hung up before it read everything.
                pass
        return answer

    def infer(self, model: str, specs: Sequence[Any], inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Scores of the first output, by binary tensors."""
        body, head = binary_request([spec.name for spec in specs], inputs)
        headers = {"Inference_Header_Content_Length": str(head)}
        status, said, answer = self.ask("POST", f"/v2/models/{model}/infer", body, **headers)
        assert status == 200, answer
        split = int(said["inference-header-content-length"])
        (described, *_) = json.loads(answer[:split])["outputs"]
        size = described["parameters"]["binary_data_size"]
        scores = np.frombuffer(answer[split : split + size], np.float32)
        return scores.reshape(described["shape"])


def binary_request(names: Sequence[str], inputs: Sequence[np.ndarray]) -> tuple[bytes, int]:
    """The body of a request with binary tensors, and how much of it is JSON."""
    said = {
        "inputs": [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": datatype(array.dtype),
                "parameters": {"binary_data_size": array.nbytes},
            }
            for name, array in zip(names, inputs, strict=True)
        ],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(said).encode()
    return b"".join([head, *(array.tobytes() for array in inputs)]), len(head)


def json_request(names: Sequence[str], inputs: Sequence[np.ndarray]) -> dict[str, Any]:
    """A request with tensors as JSON."""
    return {
        "inputs": [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": datatype(array.dtype),
                "data": array.tolist(),
            }
            for name, array in zip(names, inputs, strict=True)
        ]
    }
