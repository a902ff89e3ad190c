"""Whatever goes wrong ends in one line and the right exit code, never in a traceback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from db import DbError, NotFound
from runtime import InputError
from scheduler.cli import cli
from scheduler.cli.errors import BadValue, Stopped, describe
from scheduler.cli.root import Root
from scheduler.errors import ExecutorError
from tests.unit.scheduler.conftest import Invoke
from tuner.errors import ModelError, UnsupportedOperator


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (ModelError("x.pt2 is no model"), "error: x.pt2 is no model", 1),
        (UnsupportedOperator("no converter\nfor aten.foo."), "error: no converter for aten.foo", 1),
        (InputError("index 7 is outside [0, 5)"), "error: index 7 is outside [0, 5)", 1),
        (NotFound("unknown campaign 3"), "error: unknown campaign 3", 1),
        (DbError(""), "error: no reason given", 1),
        (ExecutorError("workers are gone"), "error: workers are gone", 1),
        (PermissionError(13, "Permission denied", "a.db"), "error: a.db: Permission denied", 1),
        (OSError(28, "No space left on device"), "error: No space left on device", 1),
        (click.ClickException("no"), "error: no", 1),
        (BadValue("unknown architecture"), "error: unknown architecture", 2),
        (click.UsageError("No such option"), "error: No such option (see tunefleet --help)", 2),
        (Stopped("stopped; go on"), "stopped; go on", 130),
        (Stopped("stopped; go on", 143), "stopped; go on", 143),
        (click.Abort(), "stopped", 130),
        (
            KeyError("key"),
            "error: internal error, KeyError: 'key'; TUNEFLEET_DEBUG=1 says where",
            1,
        ),
    ],
)
def test_one_line_and_an_exit_code(error: BaseException, line: str, code: int) -> None:
    assert describe(error) == (line, code)


@pytest.fixture
def failing() -> click.Command:
    @click.group(cls=Root)
    def root() -> None: ...

    def get_command(_ctx: click.Context, _name: str) -> click.Command:
        def fail() -> None:
            raise RuntimeError("boom")

        return click.Command("fail", callback=fail)

    root.get_command = get_command  # type: ignore[method-assign,assignment]
    return root


def test_a_traceback_is_shown_on_request(
    failing: click.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNEFLEET_DEBUG", raising=False)
    quiet = CliRunner().invoke(failing, ["fail"])
    assert (quiet.exit_code, quiet.stderr.count("\n")) == (1, 1)
    assert "RuntimeError: boom" in quiet.stderr
    monkeypatch.setenv("TUNEFLEET_DEBUG", "1")
    assert isinstance(CliRunner().invoke(failing, ["fail"]).exception, RuntimeError)


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["tune"], "Missing argument 'MODEL'"),
        (["tune", "dlrm", "--bogus"], "No such option"),
        (["tune", "dlrm", "--trials", "0"], "--trials"),
        (["tune", "dlrm", "--seconds", "-1"], "--seconds"),
        (["tune", "dlrm", "--strategy", "magic"], "'auto', 'autotvm', 'ansor'"),
        (["tune", "dlrm", "--bucket", "1,x"], "'1,x' is no list of batch sizes"),
        (["tune", "dlrm", "--bucket", "0"], "0 is no batch size from 1 to 65536"),
        (["tune", "dlrm", "--executor", "inprocess", "--ray-address", "a"], "--executor ray"),
        (["demo", "--buckets", ""], "is no list of batch sizes"),
        (["demo", "--buckets", "1,99999999"], "99999999 is no batch size"),
        (["lookup", "dlrm"], "Missing option '--batch'"),
        (["lookup", "dlrm", "--batch", "0"], "0 is not in the range"),
        (["status", "newest"], "not a valid integer"),
    ],
)  # fmt: skip
def test_usage_errors(invoke: Invoke, args: list[str], part: str) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    assert part in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not result.stdout


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["status"], "no such database"),
        (["models", "list"], "no such database"),
        (["lookup", "dlrm", "--batch", "1"], "no such database"),
        (["tune", "dlrm"], "no such database"),
        (["models", "add", "no.pt2"], "no.pt2 is no file; give a .pt2 or .onnx file"),
        (["tune", "./no.onnx"], "no.onnx is no file"),
        (["demo", "--model", "no.pt2"], "no.pt2 is no file"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_made(
    invoke: Invoke, tmp_path: Path, args: list[str], part: str
) -> None:
    result = invoke(*args)
    assert result.exit_code == 1
    assert part in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_architecture_lists_the_known_ones(invoke: Invoke) -> None:
    result = invoke("demo", "--arch", "z80")
    assert result.exit_code == 2
    assert "unknown CPU architecture 'z80'" in result.stderr
    assert "host, avx2, avx512" in result.stderr
    assert result.stderr.count("\n") == 1


@contextlib.contextmanager
def _bound_by_permissions() -> Iterator[None]:
    """Permissions do not bind root: become nobody for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_read_only_directory(invoke: Invoke, tmp_path: Path) -> None:
    # What the command imports late, nobody may not be allowed to read.
    invoke("demo", "--arch", "z80")
    tmp_path.chmod(0o500)
    with _bound_by_permissions():
        result = invoke("demo")
    tmp_path.chmod(0o700)
    assert result.exit_code == 1
    assert result.stderr == (
        "error: cannot write to the working directory: Permission denied; "
        "choose another folder with --dir\n"
    )


def test_a_folder_that_cannot_be_made(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke("demo", "--dir", "file/below")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: cannot write to file/below: Not a directory; choose another folder with --dir\n"
    )


def test_no_command_shows_the_help(invoke: Invoke) -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "Usage: tunefleet" in result.stderr


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    program = "from scheduler.cli import main; main()"
    command = f"{sys.executable} -c '{program}' --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_the_root_command_knows_its_version() -> None:
    assert CliRunner().invoke(cli, ["--version"]).stdout.startswith("tunefleet ")
