"""Hostile inputs and model files, found by atheris: an error of ours each time, never a crash.

``inputs`` calls a model with arrays whose dtypes, shapes, strides and values it makes up; ``files``
refreshes it from its own file with bytes changed inside the archive, checksums right. Anything but
an error of ours, or good scores, is a finding: libFuzzer prints it, keeps the input, and ends.
Coverage guides it through this package's own Python; ``make bench ARGS=runtime.fuzz``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris
import numpy as np

with atheris.instrument_imports(include=["runtime.inputs", "tuner.importers.pt2_archive"]):
    from examples.dlrm import DLRMConfig, export_dlrm
    from runtime import Engine, Model
    from tests.archives import members, rewritten
    from tuner.errors import TunerError

#: A model that is refreshed in milliseconds.
_SIZE = DLRMConfig(dense_features=5, tables=4, rows=100, dim=16, hots=3, bottom=(32,), top=(32, 16))
_DTYPES = ["f4", "f8", "f2", "i8", "i4", "u8", "i1", "?", "c8", ">f4", ">i8", "S3", "O"]


def array(data: atheris.FuzzedDataProvider) -> object:
    """An array of any kind, or something that is none."""
    kind = data.ConsumeIntInRange(0, 9)
    if kind == 0:
        return data.ConsumeUnicode(4)
    shape = [data.ConsumeIntInRange(0, 9) for _ in range(data.ConsumeIntInRange(0, 4))]
    if kind > 3:
        shape = [data.ConsumeIntInRange(1, 9), *((5,), (4, 3))[data.ConsumeBool()]]
    dtype = np.dtype(data.PickValueInList(_DTYPES if kind < 3 else ["f4", "i8"]))
    room = np.zeros(shape, dtype)
    if dtype.kind in "fiu" and room.size:
        raw = data.ConsumeBytes(room.nbytes)
        room.reshape(-1).view(np.uint8)[: len(raw)] = np.frombuffer(raw, np.uint8)
        if data.ConsumeBool() and dtype.kind == "i":
            room %= 101
    return room[:: data.PickValueInList([1, 2, -1])] if room.ndim else room


def inputs(model: Model, _: Path) -> Callable[[bytes], bool]:
    """Calls; True if there were scores."""

    def call(raw: bytes) -> bool:
        data = atheris.FuzzedDataProvider(raw)
        arrays = [array(data) for _ in range(data.PickValueInList([2, 2, 2, 2, 0, 1, 3]))]
        try:
            scores = model(*arrays)
        except TunerError:
            return False
        assert scores.shape == (len(arrays[0]),)  # type: ignore[arg-type]
        return True

    return call


def files(model: Model, path: Path) -> Callable[[bytes], bool]:
    """Refreshes; True if the weights were taken."""
    names, hostile, probe = members(path), path.with_name("hostile.pt2"), model.random_inputs(3)

    def refresh(raw: bytes) -> bool:
        data = atheris.FuzzedDataProvider(raw)
        member = data.PickValueInList(names)

        def change(content: bytes) -> bytes:
            room = bytearray(content or b"\0")
            for _ in range(data.ConsumeIntInRange(1, 8)):
                room[data.ConsumeIntInRange(0, len(room) - 1)] = data.ConsumeIntInRange(0, 255)
            return bytes(room)

        hostile.write_bytes(rewritten(path, member, change))
        try:
            model.refresh(hostile)
        except TunerError:
            return False
        assert np.isfinite(model(*probe)).all()
        return True

    return refresh


def main() -> None:
    """Fuzz for a while, and print what came of it."""
    parser = argparse.ArgumentParser(prog="benchmarks runtime.fuzz", description=__doc__)
    parser.add_argument("--target", choices=("inputs", "files"), default="inputs")
    parser.add_argument("--seconds", type=int, default=30)
    args = parser.parse_args()
    counts: Counter[bool] = Counter()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        export_dlrm(path, config=_SIZE)
        model = Engine(use_records=False).load(path, buckets=(1, 8))
        once = {"inputs": inputs, "files": files}[args.target](model, path)

        end = time.monotonic() + args.seconds

        def test(raw: bytes) -> None:
            counts[once(raw)] += 1
            if time.monotonic() > end:
                print(
                    f"{args.target}: {counts.total()} tries, {counts[True]} taken, "
                    f"{counts[False]} refused with an error of ours, nothing else",
                    flush=True,
                )
                # What libFuzzer's own end would leave behind is removed here.
                shutil.rmtree(folder)
                os._exit(0)

        # What is slow on a busy machine is no finding, and would be left in the working directory.
        options = [f"-max_total_time={args.seconds + 60}", "-max_len=4096",
                   "-report_slow_units=3600"]  # fmt: skip
        atheris.Setup([sys.argv[0], *options], test)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
