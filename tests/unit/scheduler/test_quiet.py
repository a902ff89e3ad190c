"""Libraries keep quiet, and the signals that end a command are heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.cli.errors import Stopped
from scheduler.cli.interrupts import stoppable
from scheduler.cli.quiet import quiet


def test_what_anybody_prints_as_an_error_goes_to_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNEFLEET_DEBUG", raising=False)
    log = tmp_path / "log"
    with quiet(log):
        sys.stderr.write("from Python\n")
        os.write(2, b"from C++\n")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'a child\\n')"], check=True)
        os.write(1, b"output stays\n")
    os.write(2, b"afterwards\n")
    assert log.read_text() == "from Python\nfrom C++\na child\n"
    assert capfd.readouterr() == ("output stays\n", "afterwards\n")


def test_nothing_is_hidden_while_debugging(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEFLEET_DEBUG", "1")
    with quiet():
        os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_say_how_to_go_on(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught, stoppable("run it again"):
        signal.raise_signal(number)
    assert caught.value.exit_code == code
    assert caught.value.format_message() == "stopped; run it again"
    assert signal.getsignal(number) is before
