"""`tunefleet serve` from start to end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np

from db import open_store
from runtime import Model
from tests.integration.serving.server import json_request


def test_it_serves_until_it_is_stopped(small_dlrm: Path, model: Model, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.db"
    open_store(url).close()
    words = [sys.executable, "-m", "scheduler.cli", "--db", url]
    words += ["serve", str(small_dlrm), "--buckets", "1,8", "--name", "ranker", "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        # What the runtime says of kernels that nobody tuned comes first.
        address = next(line for line in process.stderr if line.startswith("http://")).strip()
        inputs = model.random_inputs(8)
        body = json.dumps(json_request([spec.name for spec in model.input_specs], inputs)).encode()
        with urlopen(Request(f"{address}/models/ranker/infer", body)) as answer:
            (output,) = json.loads(answer.read())["outputs"]
        scores = np.array(output["data"], np.float32)
        assert scores.tobytes() == model(*inputs).tobytes()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
