"""Vendored files are what they say they are, and nothing points elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from dashboards.assets import STATIC, VENDORED, Vendored, address
from dashboards.render import TEMPLATES


@pytest.mark.parametrize("file", VENDORED, ids=lambda file: file.path)
def test_a_vendored_file_is_unchanged_and_licensed(file: Vendored) -> None:
    path = STATIC / file.path
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    licence = path.with_name(path.name.partition(".")[0] + ".LICENSE").read_text()
    assert {"0BSD": "Zero", "MIT": "MIT"}[file.licence] in licence
    assert re.fullmatch(r"\d+\.\d+\.\d+", file.version)


def test_every_vendored_file_is_listed() -> None:
    there = {p.relative_to(STATIC).as_posix() for p in (STATIC / "vendor").iterdir()}
    assert {p for p in there if not p.endswith(".LICENSE")} == {file.path for file in VENDORED}


@pytest.mark.parametrize(
    "path", [*TEMPLATES.glob("*.html"), *STATIC.glob("*.css"), *STATIC.glob("*.js")], ids=str
)
def test_nothing_of_ours_points_elsewhere_or_runs_inline(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|//[a-z0-9-]+\.[a-z]", text)
    if path.suffix == ".html":
        assert not re.search(r"\son\w+=|\sstyle=|javascript:", text)
        scripts = re.findall(r"<script\b[^>]*>", text)
        assert all("src=" in tag or 'type="application/json"' in tag for tag in scripts)


def test_addresses_change_with_their_files() -> None:
    assert re.fullmatch(r"/static/dashboard\.css\?[0-9a-f]{12}", address("dashboard.css"))
