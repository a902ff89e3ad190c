"""What ends a command: one line on standard error, and an exit code."""

from __future__ import annotations

import os
from typing import NoReturn

import click

#: Some jobs of a campaign failed; the others are done.
SOME_FAILED = 3
#: Stopped by Ctrl-C, as shells count it: 128 and the number of the signal.
INTERRUPTED = 130


class BadValue(click.ClickException):
    """A value that an option does not take; the text says which ones it takes."""

    exit_code = 2


class Stopped(click.ClickException):
    """The user, or the system, ended the command early; the text says how to go on."""

    def __init__(self, message: str, exit_code: int = INTERRUPTED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]


def end_with(error: BaseException) -> NoReturn:
    """Print why a command ends, in one line, and end the process with the exit code for it.

    ``TUNEFLEET_DEBUG=1`` lets the exception through instead, with its traceback.
    """
    if os.environ.get("TUNEFLEET_DEBUG") and not isinstance(error, (click.UsageError, Stopped)):
        raise error
    text, exit_code = describe(error)
    click.echo(text, err=True)
    raise SystemExit(exit_code)


def describe(error: BaseException) -> tuple[str, int]:
    """The line that an exception deserves, and its exit code."""
    match error:
        case Stopped():
            return error.format_message(), error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return "stopped", INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            return error.format_message(), error.exit_code
        case click.UsageError():
            where = error.ctx.command_path if error.ctx else "tunefleet"
            return f"error: {_line(error.format_message())} (see {where} --help)", 2
        case click.ClickException():
            return f"error: {_line(error.format_message())}", error.exit_code
        case OSError() if error.strerror:
            return f"error: {_of_system(error)}", 1
    if isinstance(error, _expected()):
        return f"error: {_line(str(error))}", 1
    kind = type(error).__name__
    return f"error: internal error, {kind}: {_line(str(error))}; TUNEFLEET_DEBUG=1 says where", 1


def _expected() -> tuple[type[BaseException], ...]:
    # Late: most commands end well.
    from db import DbError
    from scheduler.errors import SchedulerError
    from tuner.errors import TunerError

    return DbError, SchedulerError, TunerError


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".") or "no reason given"


def _of_system(error: OSError) -> str:
    subject = f"{error.filename}: " if error.filename else ""
    return _line(f"{subject}{error.strerror}")
