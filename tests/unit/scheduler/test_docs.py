"""docs/cli.md has every command and every option, and none that is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from scheduler.cli import cli

TEXT = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command by the words that call it."""
    if not isinstance(command, click.Group):
        yield " ".join(("tunefleet", *path)), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from walk(found, (*path, name))


COMMANDS = dict(walk(cli))


def sections() -> dict[str, str]:
    """Text of each section by the command in its heading."""
    parts = re.split(r"^#+ `(tunefleet[^`]*)`\n", TEXT, flags=re.MULTILINE)
    return {re.sub(r" [A-Z]\S*| \[.*", "", head): body
            for head, body in zip(parts[1::2], parts[2::2], strict=True)}  # fmt: skip


def options(command: click.Command) -> set[str]:
    """The long names of a command's options, those aside that all commands have."""
    names = {
        name
        for param in command.params
        if isinstance(param, click.Option)
        for name in param.opts
        if name.startswith("--")
    }
    return names - {"--db"}


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(sections()) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented_where_it_exists(name: str) -> None:
    documented = set(re.findall(r"^\| `(--[a-z-]+)", sections()[name], flags=re.MULTILINE))
    assert documented == options(COMMANDS[name])


def test_options_of_all_commands() -> None:
    before = TEXT.partition("## ")[0]
    for option in ("--db", "TUNEFLEET_DB", "--json", "--help", "--version", "TUNEFLEET_DEBUG"):
        assert f"`{option}" in before


def test_every_command_takes_the_database() -> None:
    for name, command in COMMANDS.items():
        assert any("--db" in param.opts for param in command.params), name


@pytest.mark.parametrize("name", ["tunefleet status", "tunefleet lookup", "tunefleet models list"])
def test_reading_commands_take_json(name: str) -> None:
    assert "--json" in options(COMMANDS[name])
