"""The C interface, called as other languages call it: from a library that is loaded privately."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from runtime import Model

#: Knows neither tunefleet nor TVM.
_PROGRAM = '''
import ctypes as c, json, sys
import numpy as np

class Tensor(c.Structure):
    """DLPack's DLTensor."""
    _fields_ = [("data", c.c_void_p), ("device_type", c.c_int), ("device", c.c_int),
                ("ndim", c.c_int), ("code", c.c_uint8), ("bits", c.c_uint8), ("lanes", c.c_uint16),
                ("shape", c.POINTER(c.c_int64)), ("strides", c.c_void_p), ("offset", c.c_uint64)]

def tensors(*arrays):
    made = (Tensor * len(arrays))()
    for tensor, a in zip(made, arrays):
        shape = (c.c_int64 * a.ndim)(*a.shape)
        code = {"f": 2, "i": 0}[a.dtype.kind]
        tensor.__init__(a.ctypes.data, 1, 0, a.ndim, code, 8 * a.itemsize, 1, shape, None, 0)
    return made, len(arrays)

library, folder, inputs = sys.argv[1:]
host = c.CDLL(library)
host.tunefleet_error.restype = c.c_char_p
said = {"null": [host.tunefleet_load(None, 0, None), host.tunefleet_error().decode()]}
model = c.c_void_p()
said["absent"] = [host.tunefleet_load(b"/nowhere", 0, c.byref(model)), bool(model)]
assert host.tunefleet_load(folder.encode(), 0, c.byref(model)) == 0, host.tunefleet_error()
assert host.tunefleet_refresh(model) == 0
loaded = np.load(inputs)
given = [loaded[name] for name in loaded.files]
scores = np.empty(len(given[0]), np.float32)
assert host.tunefleet_score(model, *tensors(*given), *tensors(scores)) == 0
said["scores"] = scores.tobytes().hex()
said["inputs"] = [host.tunefleet_score(model, *tensors(given[0]), *tensors(scores)),
                  host.tunefleet_error().decode()]
given[1] = given[1] + 1000
said["rows"] = [host.tunefleet_score(model, *tensors(*given), *tensors(scores)),
                host.tunefleet_error().decode()]
host.tunefleet_free(model)
print(json.dumps(said))
'''


def test_every_function(host: Path, versions: Path, second: Model, tmp_path: Path) -> None:
    inputs = second.random_inputs(9)
    np.savez(tmp_path / "inputs.npz", *inputs)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, host / "lib" / "libtunefleet.so", versions,
         tmp_path / "inputs.npz"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["scores"] == second(*inputs).tobytes().hex()
    assert said["null"] == [1, "tunefleet_load: a null pointer"]
    assert said["absent"] == [2, False]
    assert said["inputs"][0] == said["rows"][0] == 1
    assert "takes 2 inputs and 1 outputs, not 1 and 1" in said["inputs"][1]
    assert "is outside [0, 100)" in said["rows"][1]
