"""A client that nobody here wrote scores against both servers, and they agree."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
import uvicorn
from tritonclient.utils import InferenceServerException

from runtime import Model
from runtime.serving import ServedModel, create_app
from scheduler.cli.listening import listen
from tests.integration.serving.server import Server

Infer = Callable[..., np.ndarray]


@pytest.fixture(scope="module", params=["host", "python"])
def client(
    request: pytest.FixtureRequest, second: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[triton.InferenceServerClient]:
    """Connected to a server of the second version's weights."""
    start = _start_host if request.param == "host" else _start_python
    for port in start(request, second, tmp_path_factory.mktemp("served")):
        with triton.InferenceServerClient(f"127.0.0.1:{port}") as opened:
            yield opened


def _start_host(request: pytest.FixtureRequest, _model: Model, folder: Path) -> Iterator[int]:
    program = request.getfixturevalue("host") / "bin" / "tunefleet-serve"
    # Requests that are scored together are scored by another bucket.
    versions = request.getfixturevalue("versions")
    with Server(program, folder, f"dlrm={versions}", "--join-rows", 0) as server:
        yield server.port


def _start_python(_request: pytest.FixtureRequest, model: Model, _folder: Path) -> Iterator[int]:
    app = create_app(ServedModel.of(model, "dlrm"))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))
    with listen("127.0.0.1", 0) as taken:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield taken.getsockname()[1]
        server.should_exit = True
        thread.join()


def _inputs(model: Model, batch: int, *, binary: bool) -> list[triton.InferInput]:
    made = []
    kinds = {"float32": "FP32", "int64": "INT64"}
    for spec, array in zip(model.input_specs, model.random_inputs(batch, batch), strict=True):
        tensor = triton.InferInput(spec.name, list(array.shape), kinds[spec.dtype])
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return made


def test_it_is_live_and_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("dlrm")
    assert not client.is_model_ready("other")


def test_metadata(client: triton.InferenceServerClient, second: Model) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    said = client.get_model_metadata("dlrm")
    assert said["name"] == "dlrm"
    names = [spec.name for spec in second.input_specs]
    assert [(t["name"], t["datatype"], t["shape"]) for t in said["inputs"]] == [
        (names[0], "FP32", [-1, 5]),
        (names[1], "INT64", [-1, 4, 3]),
    ]
    assert said["outputs"] == [{"name": "output_0", "datatype": "FP32", "shape": [-1]}]
    (version,) = said["versions"]
    assert client.is_model_ready("dlrm", version)
    assert not client.is_model_ready("dlrm", "7")


@pytest.mark.parametrize("batch", [1, 8, 21])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_scores_are_pythons_bit_for_bit(
    client: triton.InferenceServerClient,
    second: Model,
    batch: int,
    binary_in: bool,
    binary_out: bool,
) -> None:
    wanted = [triton.InferRequestedOutput("output_0", binary_data=binary_out)]
    inputs = _inputs(second, batch, binary=binary_in)
    answer = client.infer("dlrm", inputs, outputs=wanted, request_id="7")
    assert answer.get_response()["id"] == "7"
    expected = second(*second.random_inputs(batch, batch))
    assert answer.as_numpy("output_0").tobytes() == expected.tobytes()


def test_several_requests_over_one_connection(
    client: triton.InferenceServerClient, second: Model
) -> None:
    for batch in range(1, 12):
        scores = client.infer("dlrm", _inputs(second, batch, binary=True)).as_numpy("output_0")
        expected = second(*second.random_inputs(batch, batch))
        assert scores.tobytes() == expected.tobytes()


def test_errors_have_a_reason(client: triton.InferenceServerClient, second: Model) -> None:
    def refused(*inputs: triton.InferInput, model: str = "dlrm", **options: object) -> str:
        with pytest.raises(InferenceServerException) as error:
            client.infer(model, list(inputs), **options)
        return str(error.value)

    good = _inputs(second, 3, binary=True)
    assert "takes 2 inputs, not 1" in refused(good[0])
    assert "no model other" in refused(*good, model="other")
    assert "served in version" in refused(*good, model_version="7")
    assert (
        "none of that name" in (text := refused(*good, outputs=[triton.InferRequestedOutput("x")]))
        or "no output 'x'" in text
    )
    longer = _inputs(second, 4, binary=True)
    assert "3" in refused(good[0], longer[1])
    rows = second.random_inputs(3)[1]
    rows[2, 1] = 100
    outside = triton.InferInput(second.input_specs[1].name, list(rows.shape), "INT64")
    outside.set_data_from_numpy(rows)
    assert "is outside [0, " in refused(good[0], outside)
    wrong = triton.InferInput(second.input_specs[1].name, list(rows.shape), "INT32")
    wrong.set_data_from_numpy(rows.astype(np.int32))
    assert "takes INT64" in refused(good[0], wrong)
    # It is none the worse for all this.
    assert client.infer("dlrm", good).as_numpy("output_0").shape == (3,)
