"""From object files to one shared library, and from its bytes to functions."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import tvm

from tuner.errors import TunerError

#: Kernels call these; the rest of what they need is the loader's.
_LIBRARIES = ("-l:libm.so.6", "-l:libc.so.6")


def link(objects: Sequence[bytes]) -> bytes:
    """Link object files into one shared library that calls only itself and the C library.

    Raises
    ------
    TunerError
        If there is no linker, or it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.o" for i in range(len(objects))]
        for path, code in zip(paths, objects, strict=True):
            path.write_bytes(code)
        library = Path(folder) / "library.so"
        link_files(library, [str(path) for path in paths])
        return library.read_bytes()


def link_files(library: str | Path, objects: Sequence[str], _options: object = None) -> None:
    """Link object files, as `link` does; the signature is that of TVM's compilation functions."""
    linker = shutil.which("ld")
    if linker is None:
        raise TunerError("models are compiled with the linker ld: install binutils")
    command = [linker, "-shared", "-Bsymbolic", "-o", str(library), *objects, *_LIBRARIES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TunerError(f"ld could not link the kernels: {done.stderr.strip()[:300]}")


def load_library(library: bytes) -> tvm.runtime.Module:
    """Load a library made by `link`; nothing of it stays on disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.so"
        path.write_bytes(library)
        return tvm.runtime.load_module(str(path))
