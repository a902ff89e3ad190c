"""The C++ host, a bundle of two versions, and a process that scores with it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pytest

from runtime import Engine, Model
from runtime.bundle import export
from tests.host import build, install

BUCKETS = (1, 8)

Array = np.ndarray


class Refused(Exception):
    """What the host said instead of scores."""


class Scorer:
    """A process of `tunefleet-score`.

    Parameters
    ----------
    empty
        Makes room for the scores of a batch.
    """

    def __init__(self, program: Path, bundle: Path, empty: Callable[[int], list[Array]]) -> None:
        self._empty = empty
        self._errors = bundle.with_suffix(".errors").open("w+")
        self.process = subprocess.Popen(
            [program, bundle], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
        said = self.said
        self._errors.close()
        if kind is None:
            # A sanitizer that found something ends the process with an exit code of its own.
            assert self.process.returncode == 0, said

    @property
    def said(self) -> str:
        """What it wrote to standard error so far."""
        self._errors.seek(0)
        return self._errors.read()

    def score(self, batch: int, inputs: Sequence[Array]) -> list[Array]:
        """Scores of a batch, by the newest version of the bundle that is whole.

        Raises
        ------
        Refused
            If the host returned an error.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(struct.pack("q", batch))
        for array in inputs:
            stdin.write(array.tobytes())
        stdin.flush()
        (code,) = struct.unpack("q", stdout.read(8))
        if code:
            (length,) = struct.unpack("q", stdout.read(8))
            raise Refused(stdout.read(length).decode())
        outputs = self._empty(batch)
        for output in outputs:
            content = stdout.read(output.nbytes)
            output[...] = np.frombuffer(content, output.dtype).reshape(output.shape)
        return outputs


def one_output(batch: int) -> list[Array]:
    """Room for the scores of the small DLRM."""
    return [np.empty(batch, np.float32)]


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host as it is shipped, moved to where it was not installed."""
    folder = tmp_path_factory.mktemp("host")
    return install(build(), folder / "before").rename(folder / "after")


@pytest.fixture(scope="session")
def checked() -> Path:
    """The host under AddressSanitizer."""
    return build("address")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine(use_records=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def model(engine: Engine, small_dlrm: Path) -> Model:
    """Served with the first version's weights."""
    return engine.load(small_dlrm, buckets=BUCKETS)


@pytest.fixture(scope="session")
def second(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The same model, served with the second version's weights."""
    from examples.dlrm import export_dlrm
    from tests.models import SMALL_DLRM

    path = tmp_path_factory.mktemp("second") / "dlrm.pt2"
    export_dlrm(path, config=SMALL_DLRM, seed=1)
    return engine.load(path, buckets=BUCKETS)


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory, model: Model, second: Model) -> Path:
    """A bundle that holds both versions, and serves the second; not to be changed."""
    folder = tmp_path_factory.mktemp("bundles") / "dlrm"
    export([model], folder)
    export([second], folder)
    return folder


@pytest.fixture
def bundle(versions: Path, tmp_path: Path) -> Path:
    """A copy of `versions` of the test's own."""
    return Path(shutil.copytree(versions, tmp_path / "bundle"))


def serve(bundle: Path, number: int) -> None:
    """Serve a version of a bundle, as `tunefleet export` makes a version the one that is served."""
    shutil.copy(bundle / "versions" / f"{number:06}.json", bundle / "next.part")
    (bundle / "next.part").rename(bundle / "manifest.json")
