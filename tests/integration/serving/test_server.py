"""Requests are joined, shed and drained, and see one version of a model."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from runtime import Model
from tests.host import build
from tests.integration.serving.conftest import serve
from tests.integration.serving.server import Server, binary_request

_INFER = "/v2/models/dlrm/infer"


@pytest.fixture(scope="module")
def threaded() -> Path:
    """The server under ThreadSanitizer, which ends it with an exit code of its own at a race."""
    return build("thread") / "tunefleet-serve"


class _Clients:
    """Threads that send a request each as soon as the last one is answered."""

    def __init__(self, server: Server, model: Model, count: int) -> None:
        self.server = server
        self.statuses: list[int] = []
        self.lost: list[Exception] = []
        self.wrong = 0
        self._stop = False
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(model.random_inputs(1 + at % 3, at), model))
            for at in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, inputs: list[np.ndarray], model: Model) -> None:
        body, head = binary_request([spec.name for spec in model.input_specs], inputs)
        expected = model(*inputs)
        connection = self.server.connect()
        try:
            connection.connect()
        except OSError:
            return
        sent = {"Inference-Header-Content-Length": str(head)}
        while not self._stop:
            try:
                connection.request("POST", _INFER, body, sent)
                answer = connection.getresponse()
                content = answer.read()
            except Exception as error:
                self.lost.append(error)
                return
            with self._lock:
                self.statuses.append(answer.status)
                if answer.status == 200:
                    split = int(answer.headers["Inference-Header-Content-Length"])
                    scores = np.frombuffer(content[split:], np.float32)
                    self.wrong += bool(np.abs(scores - expected).max() > 1e-5)
            if answer.headers["Connection"] == "close":
                break
        connection.close()

    def wait_for(self, count: int) -> None:
        while len(self.statuses) < count and not self.lost:
            time.sleep(0.01)

    def join(self) -> None:
        self._stop = True
        for thread in self._threads:
            thread.join()


def _metric(server: Server, name: str) -> float:
    _, _, text = server.ask("GET", "/metrics")
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.decode().splitlines()
        if line.startswith(name)
    )


def test_requests_are_joined_under_threadsanitizer(
    threaded: Path, bundle: Path, second: Model, tmp_path: Path
) -> None:
    """Several lanes, scoring threads and clients, and versions that change meanwhile."""
    with Server(
        threaded, tmp_path, f"dlrm={bundle}", f"other={bundle}",
        "--threads", 2, "--io-threads", 2, "--join-delay-us", 2000, "--max-wait-ms", 60000,
    ) as server:  # fmt: skip
        clients = _Clients(server, second, 6)
        clients.wait_for(60)
        # Rolled back to the same weights: digests differ, scores do not.
        manifest = json.loads((bundle / "manifest.json").read_text())
        (bundle / "next.part").write_text(json.dumps(manifest, indent=2))
        (bundle / "next.part").rename(bundle / "manifest.json")
        server.wait_for("serving", 4)
        clients.wait_for(200)
        clients.join()
        assert not clients.lost
        assert clients.wrong == 0
        assert set(clients.statuses) == {200}
        calls = _metric(server, 'tunefleet_serve_score_seconds_count{model="dlrm"')
        assert (
            calls
            < len(clients.statuses)
            == _metric(server, 'tunefleet_serve_requests_total{model="dlrm",code="200"')
        )


def test_one_bad_request_does_not_fail_those_it_is_joined_with(
    host: Path, bundle: Path, second: Model, tmp_path: Path
) -> None:
    names = [spec.name for spec in second.input_specs]
    good, bad = second.random_inputs(4), second.random_inputs(4)
    bad[1][1, 2] = -1
    # They wait until the bucket is full, however long it takes the second to come.
    with Server(
        host / "bin" / "tunefleet-serve", tmp_path, f"dlrm={bundle}",
        "--join-rows", 8, "--join-delay-us", 60_000_000,
    ) as server:  # fmt: skip
        answers = {}

        def ask(inputs: list[np.ndarray], name: str) -> None:
            body, head = binary_request(names, inputs)
            headers = {"Inference_Header_Content_Length": str(head)}
            answers[name] = server.ask("POST", _INFER, body, **headers)

        threads = [
            threading.Thread(target=ask, args=pair) for pair in ((good, "good"), (bad, "bad"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers["good"][0] == 200
        assert answers["bad"][0] == 400
        assert "row 1" in json.loads(answers["bad"][2])["error"]
        assert _metric(server, "tunefleet_serve_score_seconds_count") == 1


def test_what_would_wait_too_long_is_refused(
    threaded: Path, bundle: Path, second: Model, tmp_path: Path
) -> None:
    """Of two requests the first waits to be joined, and the other would wait for its scores."""
    names = [spec.name for spec in second.input_specs]
    rows = 16_000
    with Server(
        threaded, tmp_path, f"dlrm={bundle}", "--threads", 1, "--max-wait-ms", 1,
        "--join-rows", rows, "--join-delay-us", 3_000_000,
    ) as server:  # fmt: skip
        answers: list[tuple[int, dict[str, str], bytes]] = []

        def ask(count: int) -> None:
            body, head = binary_request(names, second.random_inputs(count))
            headers = {"Inference_Header_Content_Length": str(head)}
            answers.append(server.ask("POST", _INFER, body, **headers))

        # As many as are joined wait for nobody; what they took is what others are judged by.
        ask(rows)
        assert answers.pop()[0] == 200
        threads = [threading.Thread(target=ask, args=(rows // 4,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [(said, text) for status, said, text in answers if status == 503]
        assert {status for status, _, _ in answers} == {200, 503}
        assert all(said["retry-after"] == "1" for said, _ in refused)
        assert all("too many requests" in json.loads(text)["error"] for _, text in refused)
        assert _metric(server, 'tunefleet_serve_requests_total{model="dlrm",code="503"') == len(
            refused
        )


def test_draining_loses_no_request(
    threaded: Path, bundle: Path, second: Model, tmp_path: Path
) -> None:
    with (
        Server(threaded, tmp_path, f"dlrm={bundle}", "--drain-delay-ms", 300) as server,
        socket.create_connection(("127.0.0.1", server.port)) as idle,
    ):
        clients = _Clients(server, second, 4)
        clients.wait_for(40)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        assert server.ask("GET", "/v2/health/ready")[0] == 503
        assert server.ask("GET", "/v2/health/live")[0] == 200
        assert server.process.wait(60) == 0
        clients.join()
        assert not clients.lost
        assert clients.wrong == 0
        assert set(clients.statuses) == {200}
        assert idle.recv(1) == b""
        assert [line["event"] for line in server.log][-2:] == ["draining", "drained"]


def test_a_version_that_is_refused_leaves_the_old_one_serving(
    host: Path, bundle: Path, second: Model, model: Model, tmp_path: Path
) -> None:
    inputs = second.random_inputs(5)
    with Server(host / "bin" / "tunefleet-serve", tmp_path, f"dlrm={bundle}") as server:
        before = server.infer("dlrm", second.input_specs, inputs)
        assert before.tobytes() == second(*inputs).tobytes()
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["inputs"][0]["shape"] = [6]
        (bundle / "next.part").write_text(json.dumps(manifest))
        (bundle / "next.part").rename(bundle / "manifest.json")
        assert "disagree on its inputs" in server.wait_for("version refused")["reason"]
        assert server.infer("dlrm", second.input_specs, inputs).tobytes() == before.tobytes()
        assert _metric(server, "tunefleet_serve_refresh_refused") == 1
        serve(bundle, 1)
        server.wait_for("serving", 2)
        after = server.infer("dlrm", second.input_specs, inputs)
        assert after.tobytes() == model(*inputs).tobytes()
        assert _metric(server, "tunefleet_serve_refresh_refused") == 0


def test_clients_that_vanish(host: Path, bundle: Path, second: Model, tmp_path: Path) -> None:
    """Killed in the middle of what they send, or of what they wait for."""
    inputs = second.random_inputs(3)
    body, head = binary_request([spec.name for spec in second.input_specs], inputs)
    request = (
        f"POST {_INFER} HTTP/1.1\r\nContent-Length: {len(body)}\r\n"
        f"Inference-Header-Content-Length: {head}\r\n\r\n"
    ).encode() + body
    program = "import socket, sys; c = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
    program += "c.sendall(sys.stdin.buffer.read(int(sys.argv[2]))); print(flush=True); input()"
    with Server(host / "bin" / "tunefleet-serve", tmp_path, f"dlrm={bundle}") as server:
        for sent in (10, len(request) - 5, len(request)):
            client = subprocess.Popen(
                ["python3", "-c", program, str(server.port), str(sent)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            with client:
                assert client.stdin is not None
                assert client.stdout is not None
                client.stdin.write(request[:sent])
                client.stdin.flush()
                client.stdout.readline()
                client.kill()
        scores = server.infer("dlrm", second.input_specs, inputs)
        assert np.abs(scores - second(*inputs)).max() < 1e-5
        deadline = time.monotonic() + 30
        # That of the question itself is open.
        while _metric(server, "tunefleet_serve_connections") != 1:
            assert time.monotonic() < deadline


def test_metrics_are_documented(host: Path, versions: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "serving.md").read_text()
    with Server(host / "bin" / "tunefleet-serve", tmp_path, versions) as server:
        _, _, body = server.ask("GET", "/metrics")
        exported = set(re.findall(r"# TYPE (tunefleet_\w+)", body.decode()))
    assert exported == set(re.findall(r"^\| `(tunefleet_\w+)", text, re.MULTILINE))


def test_a_command_line_that_is_wrong(host: Path, tmp_path: Path, versions: Path) -> None:
    program = host / "bin" / "tunefleet-serve"

    def fails(*arguments: object) -> tuple[int, str]:
        words = [str(word) for word in (program, *arguments)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stderr

    assert fails() == (2, "error: name at least one bundle; see --help\n")
    assert fails("--port", "x", "b")[1].startswith("error: --port is a number from 0 to 65535")
    assert fails("--prot", "1", "b")[1] == "error: there is no --prot; see --help\n"
    assert fails("--port")[1] == "error: --port needs a value; see --help\n"
    code, said = fails("--port", "0", tmp_path / "none")
    assert (code, json.loads(said)["event"]) == (1, "cannot serve")
    code, said = fails("--port", "0", f"a={versions}", f"a={versions}")
    assert "two bundles are called a" in json.loads(said)["reason"]
    with Server(program, tmp_path, versions) as server:
        assert "choose another port" in fails("--port", server.port, versions)[1]
        # Without a name it is served by the one that it was exported under.
        assert server.ask("GET", "/v2/models/dlrm")[0] == 200
