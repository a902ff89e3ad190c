"""Bucket edges that cost least for a histogram of calls."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from scheduler.buckets import Cost, propose
from scheduler.cli import cli

HISTOGRAMS = st.dictionaries(st.integers(1, 300), st.floats(0.01, 1.0), min_size=1, max_size=8)


def spent(edges: tuple[int, ...], traffic: dict[int, float], cost: Cost) -> float:
    """Mean cost of a call, padded to the next edge."""
    return sum(
        share * (cost.fixed + cost.row * min(e for e in edges if e >= n))
        for n, share in traffic.items()
    )


@given(traffic=HISTOGRAMS, most=st.integers(1, 5), fixed=st.floats(0.0, 50.0))
def test_no_other_edges_cost_less(traffic: dict[int, float], most: int, fixed: float) -> None:
    cost = Cost(fixed, 1.0)
    proposal = propose(traffic, most, cost)
    assert len(proposal.edges) <= most
    assert max(proposal.edges) == max(traffic)
    sizes = sorted(traffic)
    best = min(
        spent((*some, sizes[-1]), traffic, cost)
        for count in range(min(most, len(sizes)))
        for some in combinations(sizes[:-1], count)
    )
    assert spent(proposal.edges, traffic, cost) == pytest.approx(best)
    ideal = spent(tuple(sizes), traffic, cost)
    assert proposal.overhead == pytest.approx(best / ideal)


def test_as_many_buckets_as_batch_sizes_pad_nothing() -> None:
    assert propose({1: 0.5, 7: 0.3, 64: 0.2}, 3).edges == (1, 7, 64)
    assert propose({1: 0.5, 7: 0.3, 64: 0.2}, 9).overhead == pytest.approx(1.0)


def test_more_batch_sizes_than_can_be_looked_at() -> None:
    traffic = {n: 1.0 / n for n in range(1, 5000)}
    edges = propose(traffic, 4).edges
    assert len(edges) == 4
    assert edges[-1] == 4999


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "traffic.json"
    file.write_text(json.dumps({"1": 50, "2": 1, "60": 30, "64": 20}))
    run = CliRunner().invoke(cli, ["models", "buckets", str(file), "--most", "2", "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.output)["buckets"] == [2, 64]
    told = CliRunner().invoke(cli, ["models", "buckets", str(file), "--most", "2"])
    assert "2,64: a call costs" in told.output
