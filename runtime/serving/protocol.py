"""Bodies of inference requests and answers; no HTTP in here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.errors import InputError
from runtime.serving.served import ServedModel, TensorSpec


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What a client asks for."""

    id: str
    #: In the order of the model's inputs.
    inputs: Sequence[np.ndarray]
    #: Places of the outputs that are wanted, and whether as binary data.
    outputs: Sequence[tuple[int, bool]]


def parse_request(body: bytes, head: int, served: ServedModel) -> InferRequest:
    """Read a request.

    Parameters
    ----------
    head
        Bytes of JSON at the front; binary tensors follow in the order of the inputs.

    Raises
    ------
    InputError
        If it is not one that the model can be asked; the message is for the client.
    """
    try:
        message = json.loads(body[:head])
    except (ValueError, RecursionError) as error:
        raise InputError("the request is no JSON") from error
    if not isinstance(message, dict):
        raise InputError("the request is no JSON object")
    name = message.get("id", "")
    if not isinstance(name, str):
        raise InputError("id is no text")
    arrays, rest = _read_inputs(message.get("inputs"), memoryview(body)[head:], served)
    if len(rest):
        raise InputError(f"{len(rest)} bytes of binary data belong to no input")
    return InferRequest(name, arrays, _wanted(message, served))


def write_answer(
    request: InferRequest, served: ServedModel, scores: Sequence[np.ndarray]
) -> tuple[bytes, int | None]:
    """The answer's body, and how many bytes of JSON it begins with if binary data follow."""
    described, binary = [], []
    for place, raw in request.outputs:
        spec, array = served.outputs[place], np.ascontiguousarray(scores[place])
        said = {**spec.describe(), "shape": list(array.shape)}
        if raw:
            binary.append(array.tobytes())
            said["parameters"] = {"binary_data_size": array.nbytes}
        else:
            said["data"] = array.reshape(-1).tolist()
        described.append(said)
    message: dict[str, Any] = {"model_name": served.name}
    if request.id:
        message["id"] = request.id
    head = json.dumps({**message, "outputs": described}).encode()
    return b"".join([head, *binary]), len(head) if binary else None


def _read_inputs(
    said: Any, binary: memoryview, served: ServedModel
) -> tuple[list[np.ndarray], memoryview]:
    """Arrays in the model's order, and the binary data that belong to none of them."""
    if not isinstance(said, list) or not all(isinstance(tensor, dict) for tensor in said):
        raise InputError("inputs is no list of objects")
    if len(said) != len(served.inputs):
        raise InputError(f"{served.name} takes {len(served.inputs)} inputs, not {len(said)}")
    specs = {spec.name: spec for spec in served.inputs}
    found: dict[str, np.ndarray] = {}
    for tensor in said:
        spec = specs.get(tensor.get("name")) if isinstance(tensor.get("name"), str) else None
        if spec is None:
            raise InputError(f"there is no input {tensor.get('name')!r}")
        if spec.name in found:
            raise InputError(f"{spec.name} is there twice")
        shape = _shape(tensor, spec)
        size = _parameter(tensor, "binary_data_size")
        if size is None:
            found[spec.name] = _from_json(tensor.get("data"), spec, shape)
            continue
        wanted = int(np.prod(shape, dtype=object)) * spec.dtype.itemsize
        if size != wanted or wanted > len(binary):
            raise InputError(f"the shape of {spec.name} makes {wanted} bytes, {size!r} are said "
                             f"and {len(binary)} are there")  # fmt: skip
        found[spec.name] = np.frombuffer(binary[:wanted], spec.dtype).reshape(shape)
        binary = binary[wanted:]
    return [found[spec.name] for spec in served.inputs], binary


def _shape(tensor: dict[str, Any], spec: TensorSpec) -> list[int]:
    if tensor.get("datatype") != spec.describe()["datatype"]:
        raise InputError(
            f"{spec.name} is of datatype {tensor.get('datatype')!r}, the model takes "
            f"{spec.describe()['datatype']}"
        )
    shape = tensor.get("shape")
    fits = isinstance(shape, list) and len(shape) == len(spec.shape)
    if fits:
        fits = all(
            type(have) is int and (have == want or (want == -1 and have >= 1))
            for have, want in zip(shape or [], spec.shape, strict=True)
        )
    if not fits:
        raise InputError(f"{spec.name} has shape {shape!r}, the model takes {list(spec.shape)}")
    assert shape is not None
    return list(shape)


def _from_json(data: Any, spec: TensorSpec, shape: Sequence[int]) -> np.ndarray:
    kinds = {"b": "b", "i": "i", "u": "i", "f": "if"}[spec.dtype.kind]
    try:
        array = np.asarray(data)
        # A list of whole numbers is as good as one of fractions; nothing else is converted.
        if not isinstance(data, list) or array.dtype.kind not in kinds:
            raise InputError(f"data of {spec.name} is no list of {spec.describe()['datatype']}")
        converted = array.astype(spec.dtype).reshape(shape)
        if spec.dtype.kind != "f" and (converted.reshape(-1) != array.reshape(-1)).any():
            raise InputError(f"data of {spec.name} is out of the range of its datatype")
    except (ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"data of {spec.name} is not what its shape says") from error
    return converted


def _wanted(message: dict[str, Any], served: ServedModel) -> list[tuple[int, bool]]:
    every = _parameter(message, "binary_data_output") is True
    places = {spec.name: i for i, spec in enumerate(served.outputs)}
    said = message.get("outputs")
    if said is None:
        return [(i, every) for i in places.values()]
    if not isinstance(said, list) or len(said) > len(places):
        raise InputError("outputs is no list of outputs of the model")
    wanted = []
    for tensor in said:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str) or name not in places:
            raise InputError(f"there is no output {name!r}")
        own = _parameter(tensor, "binary_data")
        wanted.append((places[name], own if isinstance(own, bool) else every))
    return wanted


def _parameter(said: dict[str, Any], name: str) -> Any:
    parameters = said.get("parameters")
    return parameters.get(name) if isinstance(parameters, dict) else None
