"""Requests that no client sends by mistake: answered with a reason, and the server lives on.

The server runs under AddressSanitizer and UndefinedBehaviorSanitizer, which end it at the first
byte that is out of bounds.
"""

from __future__ import annotations

import copy
import json
import random
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime import Model
from tests.debian import run
from tests.integration.serving.server import Server, binary_request, json_request

_INFER = "/v2/models/dlrm/infer"


@pytest.fixture(scope="module")
def server(
    checked: Path, versions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A small server: little is too much for it."""
    folder = tmp_path_factory.mktemp("hostile")
    with Server(
        checked / "tunefleet-serve", folder, f"dlrm={versions}",
        "--max-body-mb", 1, "--transfer-s", 1, "--connections", 8,
    ) as running:  # fmt: skip
        yield running


@pytest.fixture(autouse=True)
def _lives_on(server: Server, second: Model) -> Iterator[None]:
    yield
    inputs = second.random_inputs(3)
    scores = server.infer("dlrm", second.input_specs, inputs)
    assert np.abs(scores - second(*inputs)).max() < 1e-5


def _post(length: object, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST {_INFER} HTTP/1.1", f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


RAW: dict[str, tuple[bytes, bytes]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
    "another method": (b"BREW /v2 HTTP/1.1\r\n\r\n", b"405"),
    "a method that is not served": (b"DELETE /v2/models/dlrm HTTP/1.1\r\n\r\n", b"405"),
    "another version": (b"GET /v2 HTTP/9.9\r\n\r\n", b"400"),
    "a long path": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"431"),
    "endless headers": (b"GET /v2 HTTP/1.1\r\n" + b"a: b\r\n" * 50_000, b"431"),
    "a long header": (b"GET /v2 HTTP/1.1\r\na: " + b"b" * 100_000 + b"\r\n\r\n", b"431"),
    "many ranges": (
        b"GET /v2 HTTP/1.1\r\nRange: bytes=" + b"1-1," * 1900 + b"1-1\r\n\r\n",
        b"200",
    ),
    "out of the root": (b"GET /v2/../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
    "a zero in the path": (b"GET /v2/models/%00 HTTP/1.1\r\n\r\n", b"404"),
    "chunks": (
        f"POST {_INFER} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"5\r\nhello",
        b"411",
    ),
    "no length": (f"POST {_INFER} HTTP/1.1\r\n\r\n".encode(), b"411"),
    "two lengths": (_post(2, "Content-Length: 9", body=b"{}"), b"400"),
    "a negative length": (_post(-1, body=b"{}"), b"400"),
    "a length that is none": (_post("0x10", body=b"{}"), b"400"),
    "a huge length": (_post(1 << 40), b"413"),
    "more digits than a number has": (_post("9" * 400), b"400"),
    "a body that is too long": (_post((1 << 20) + 1), b"413"),
    "half a body": (_post(100, body=b"{"), b"400"),
    "a compressed body": (_post(2, "Content-Encoding: gzip", body=b"{}"), b"415"),
    "more JSON than body": (_post(2, "Inference-Header-Content-Length: 3", body=b"{}"), b"400"),
    "JSON of no length": (_post(2, "Inference-Header-Content-Length: -1", body=b"{}"), b"400"),
    "a body where none belongs": (b"GET /v2 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", b"200"),
}


@pytest.mark.parametrize("name", RAW)
def test_bytes_that_are_no_request(server: Server, name: str) -> None:
    sent, status = RAW[name]
    answer = server.raw(sent)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    if status != b"200":
        head, _, body = answer.partition(b"\r\n\r\n")
        assert len(json.loads(body)["error"]) > 5
        assert b"405" in head or b"404" in head or b"Connection: close" in head


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "7", '"x"', "{}", "[" * 100_000, '{"inputs": {}}', "\0\xff",
        '{"inputs": [null, null]}', '{"id": 7, "inputs": []}', '{"id": "' + "x" * 1000 + '"}',
        '{"a":' * 50_000, '{"inputs": [{}, {}], "inputs": 7}',
    ],
)  # fmt: skip
def test_bodies_that_are_no_request(server: Server, text: str) -> None:
    status, _, body = server.ask("POST", _INFER, text.encode("latin-1") or b" ")
    assert status == 400
    assert len(json.loads(body)["error"]) > 5


def test_requests_with_anything_in_place_of_anything(server: Server, second: Model) -> None:
    """Whatever a request says, it is refused with a reason or scored as what it says."""
    rng = random.Random(0)
    names = [spec.name for spec in second.input_specs]
    inputs = second.random_inputs(3)
    whole = json_request(names, inputs)
    _, head = binary_request(names, inputs)
    binary, _ = binary_request(names, inputs)
    connection = server.connect()
    refused = 0
    for turn in range(300):
        message: Any = copy.deepcopy(whole if turn % 2 else json.loads(binary[:head]))
        _mutate(message, rng)
        text = json.dumps(message).encode()
        body = text if turn % 2 else text + binary[head:]
        headers = {} if turn % 2 else {"Inference-Header-Content-Length": str(len(text))}
        connection.request("POST", _INFER, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status in (200, 400), content
        if answer.status == 400:
            refused += 1
            assert len(json.loads(content)["error"]) > 5
    connection.close()
    assert refused > 100


def _mutate(message: Any, rng: random.Random) -> None:
    places: list[tuple[Any, Any]] = []

    def note(value: Any) -> None:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                note(value[key])

    note(message)
    at, key = rng.choice(places)
    at[key] = rng.choice(
        [None, True, -1, 0, 1, 7, 1 << 40, 1 << 63, 1e300, 0.5, "", "x", [], {}, [[]], [1] * 99]
    )


def test_a_client_that_dawdles_is_told_so(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(_post(100, body=b"{"))
        assert client.recv(65536).startswith(b"HTTP/1.1 408")


def test_more_connections_than_there_is_room_for(server: Server) -> None:
    clients = [socket.create_connection(("127.0.0.1", server.port), 30) for _ in range(20)]
    answers: list[bytes] = []
    silent = list(clients)
    # There is room for eight, and those hear nothing.
    while len(answers) < 12:
        ready, _, _ = select.select(silent, [], [], 60)
        assert ready
        for client in ready:
            answers.append(client.recv(65536))
            silent.remove(client)
    for client in clients:
        client.close()
    assert all(a.startswith(b"HTTP/1.1 503") and b"Retry-After: 1" in a for a in answers)
    _wait_for_room(server)


def _wait_for_room(server: Server) -> None:
    while server.ask("GET", "/v2")[0] != 200:
        pass


def test_libfuzzer_finds_nothing(checked: Path, tmp_path: Path, second: Model) -> None:
    """It starts from requests that are understood; see runtime/cpp/fuzz/requests.cpp."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    arrays: list[np.ndarray] = [np.ones((2, 2), np.float32), np.ones((2, 1), np.int64)]
    body, head = binary_request(["d", "i"], arrays)
    text = json.dumps(json_request(["d", "i"], arrays)).encode()
    post = b"POST /v2/models/m/infer HTTP/1.1\r\nContent-Length: %d\r\n"
    seeds = [
        post % len(text) + b"\r\n" + text,
        post % len(body) + b"Inference-Header-Content-Length: %d\r\n\r\n" % head + body,
        b"GET /v2/models/m/versions/0123456789ab/ready HTTP/1.1\r\n\r\n"
        b"GET /metrics HTTP/1.0\r\n\r\n",
    ]
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    options = ["-runs=5000", "-max_len=4096", "-timeout=300", "-seed=1", "-verbosity=0",
               "-print_final_stats=1", f"-artifact_prefix={tmp_path}/"]  # fmt: skip
    run(checked / "tunefleet-fuzz", *options, corpus)
    # It got somewhere: what it keeps reached code that nothing before it reached.
    assert len(list(corpus.iterdir())) > 20
