"""What HTTP allows beside a plain request, and large requests beside small ones."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from runtime import Model
from tests.host import build
from tests.integration.serving.conftest import BUCKETS
from tests.integration.serving.server import Server, binary_request, json_request

_INFER = "/v2/models/dlrm/infer"


@pytest.fixture(scope="module")
def server(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Under ThreadSanitizer: large requests are read by other threads than small ones."""
    folder = tmp_path_factory.mktemp("http")
    program = build("thread") / "tunefleet-serve"
    with Server(program, folder, f"dlrm={versions}", "--max-wait-ms", 60000) as running:
        yield running


def _receive(client: socket.socket, until: bytes) -> bytes:
    answer = b""
    while until not in answer:
        part = client.recv(65536)
        assert part, answer
        answer += part
    return answer


def test_a_head_is_answered_without_its_body(server: Server) -> None:
    status, said, body = server.ask("HEAD", "/v2")
    whole = server.ask("GET", "/v2")
    assert (status, said["content-length"], body) == (200, str(len(whole[2])), b"")


def test_paths_may_be_encoded_and_have_a_query(server: Server) -> None:
    assert server.ask("GET", "/v2/models/%64l%72m/ready?x=/y")[0] == 200
    # What is no code is what it says.
    assert "no model %zz" in json.loads(server.ask("GET", "/v2/models/%zz")[2])["error"]


def test_a_client_of_http_1_0_is_answered_and_hung_up_on(server: Server) -> None:
    answer = server.raw(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200")
    assert answer.endswith(b'{"live":true}')


def test_requests_that_are_sent_at_once_are_answered_in_turn(server: Server, second: Model) -> None:
    names = [spec.name for spec in second.input_specs]
    text = json.dumps(json_request(names, second.random_inputs(2))).encode()
    post = f"POST {_INFER} HTTP/1.1\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text
    last = b"GET /v2/health/live HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = server.raw(post * 3 + last)
    assert answer.count(b"HTTP/1.1 200") == 4
    assert answer.endswith(b'{"live":true}')


def test_a_client_that_asks_first_is_told_to_go_on(server: Server, second: Model) -> None:
    names = [spec.name for spec in second.input_specs]
    text = json.dumps(json_request(names, second.random_inputs(2))).encode()
    head = f"POST {_INFER} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {len(text)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 60) as client:
        client.sendall(head.encode())
        assert _receive(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(text)
        assert _receive(client, b"]}").startswith(b"HTTP/1.1 200")


def test_a_client_that_asks_first_is_told_that_it_is_too_much(server: Server) -> None:
    head = f"POST {_INFER} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {1 << 40}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 60) as client:
        client.sendall(head.encode())
        assert _receive(client, b"\r\n\r\n").startswith(b"HTTP/1.1 413")


def test_small_requests_are_answered_while_a_large_one_is_read(
    server: Server, second: Model
) -> None:
    names = [spec.name for spec in second.input_specs]
    many, few = second.random_inputs(20_000), second.random_inputs(3)
    text = json.dumps(json_request(names, many)).encode()
    done = threading.Event()
    found: list[np.ndarray] = []

    def ask() -> None:
        status, _, body = server.ask("POST", _INFER, text)
        assert status == 200, body
        (output,) = json.loads(body)["outputs"]
        found.append(np.array(output["data"], np.float32))
        done.set()

    thread = threading.Thread(target=ask)
    thread.start()
    between = 0
    while not done.is_set():
        assert np.abs(server.infer("dlrm", second.input_specs, few) - second(*few)).max() < 1e-5
        between += not done.is_set()
        assert thread.is_alive() or done.is_set()
    thread.join()
    assert between > 1
    assert np.abs(found[0] - second(*many)).max() < 1e-5


@pytest.mark.parametrize(("cost", "calls"), [(1.0, 2), (1e-9, 1)])
def test_requests_are_joined_up_to_the_fastest_bucket(
    host: Path, bundle: Path, second: Model, tmp_path: Path, cost: float, calls: int
) -> None:
    """The large bucket takes two requests at once, unless its rows cost more."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    (arch,) = manifest["archs"]
    for bucket, seconds in zip(arch["buckets"], (1e-6, cost), strict=True):
        bucket["seconds"] = seconds
    # Each bucket takes its own batch, whatever was measured when the bundle was written.
    arch["plan"][0], arch["plan"][7] = BUCKETS
    (bundle / "next.part").write_text(json.dumps(manifest))
    (bundle / "next.part").rename(bundle / "manifest.json")
    inputs = second.random_inputs(4)
    body, head = binary_request([spec.name for spec in second.input_specs], inputs)
    headers = {"Inference_Header_Content_Length": str(head)}
    # They wait until the bucket is full, however long it takes the second to come.
    options = ("--threads", 1, "--join-delay-us", 60_000_000)
    with Server(host / "bin" / "tunefleet-serve", tmp_path, f"dlrm={bundle}", *options) as server:
        threads = [
            threading.Thread(target=server.ask, args=("POST", _INFER, body), kwargs=headers)
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        text = server.ask("GET", "/metrics")[2].decode()
        assert f'tunefleet_serve_score_seconds_count{{model="dlrm"}} {calls}\n' in text


def test_a_connection_that_is_not_used_is_closed(
    host: Path, versions: Path, tmp_path: Path
) -> None:
    program = host / "bin" / "tunefleet-serve"
    with (
        Server(program, tmp_path, versions, "--idle-s", 1) as server,
        socket.create_connection(("127.0.0.1", server.port), 60) as client,
    ):
        begin = time.monotonic()
        assert client.recv(1) == b""
        assert time.monotonic() - begin >= 0.9
