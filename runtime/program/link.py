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


def link(objects: Sequence[bytes], contract: bytes) -> bytes:
    """Link object files into one shared library that calls only itself and the C library.

    Parameters
    ----------
    contract
        A text that the library carries, from ``_binary_contract_start`` to ``..._end``.

    Raises
    ------
    TunerError
        If there is no linker, or it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.o" for i in range(len(objects))]
        for path, code in zip(paths, objects, strict=True):
            path.write_bytes(code)
        (Path(folder) / "contract").write_bytes(contract)
        # Symbols of a binary file are named by its path, and shown by a library only if they come
        # from an object file.
        _ld("-r", "-b", "binary", "-o", "contract.o", "contract", folder=folder)
        library = Path(folder) / "library.so"
        link_files(library, [str(path) for path in [*paths, Path(folder) / "contract.o"]])
        return library.read_bytes()


def link_files(library: str | Path, objects: Sequence[str], _options: object = None) -> None:
    """Link object files, as `link` does; the signature is that of TVM's compilation functions."""
    # What says nothing about its stack would else make the loader run with an executable one.
    options = ("-shared", "-Bsymbolic", "-z", "noexecstack")
    _ld(*options, "-o", str(library), *objects, *_LIBRARIES)


def load_library(library: bytes) -> tvm.runtime.Module:
    """Load a library made by `link`; nothing of it stays on disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.so"
        path.write_bytes(library)
        return tvm.runtime.load_module(str(path))


def _ld(*arguments: str, folder: str | None = None) -> None:
    linker = shutil.which("ld")
    if linker is None:
        raise TunerError("models are compiled with the linker ld: install binutils")
    command = [linker, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise TunerError(f"ld could not link the kernels: {done.stderr.strip()[:300]}")
