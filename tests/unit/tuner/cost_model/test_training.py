"""A cost model is trained on what the database has of other workloads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tvm
from tvm import te

from db import Store, Workload, open_store
from db.testing.builders import ARCH, OTHER_ARCH, digest, measurement, populate, workload
from tuner.arch import simd_of
from tuner.cost_model import config_features, dataset, train
from tuner.ops import dense, packed_shape
from tuner.templates import Config, template_for
from tuner.workloads.digest import normalise
from tuner.workloads.facts import facts_of


def dense_function(batch: int, depth: int, outputs: int) -> tvm.tirx.PrimFunc:
    x = te.placeholder((batch, depth), name="x")
    w = te.placeholder(packed_shape(outputs, depth), name="w")
    return normalise(te.create_prim_func([x, w, dense(x, w, outputs)]))


FUNCTIONS = {n: dense_function(16, 128, n) for n in (64, 128)}


def stored(outputs: int) -> Workload:
    function = FUNCTIONS[outputs]
    return workload(
        outputs, flops=facts_of(function).flops, tir=tvm.ir.save_json(function), op_kind="dense"
    )


def invented(config: Config) -> float:
    """The fuller the tile the faster."""
    return 1e-5 / (config["rows"] * config["panels"]) + 1e-8 * config["unroll"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/log.db") as opened:
        populate(opened)
        opened.add_workloads([stored(n) for n in FUNCTIONS])
        yield opened


def measure(store: Store, outputs: int, arch: str = ARCH.name, attempt: int = 1) -> int:
    facts = facts_of(FUNCTIONS[outputs])
    configs = template_for(facts).space(facts, simd_of(ARCH)).configs
    return store.add_measurements(
        [
            measurement(
                workload=stored(outputs).digest,
                arch=arch,
                config=dict(c),
                candidate=digest(outputs, c),
                uid=digest(outputs, c, arch, attempt)[:32],
                run_secs=(invented(c) * attempt,),
            )
            for c in configs
        ]
    )


def test_it_ranks_another_shape(store: Store) -> None:
    count = measure(store, 64)
    trained = train(store, "dense", 1e6)
    assert (trained.rows, trained.groups) == (count, 1)
    assert trained.secs > 0
    facts = facts_of(FUNCTIONS[128])
    configs = template_for(facts).space(facts, simd_of(ARCH)).configs
    assert trained.model is not None
    scores = trained.model.predict(config_features(facts, simd_of(ARCH), configs)).tolist()
    ranked = [c for _, c in sorted(zip(scores, configs, strict=True), key=lambda x: -x[0])]
    best = sorted(configs, key=invented)[:5]
    assert any(c in best for c in ranked[:5])


def test_groups_are_workload_and_architecture(store: Store) -> None:
    measure(store, 64)
    measure(store, 64, OTHER_ARCH.name)
    measure(store, 128)
    data = dataset(store, store.lessons("dense", 1e6))
    assert sorted(data.keys) == data.keys
    assert {key[:2] for key in data.keys} == {
        (stored(64).digest, ARCH.name),
        (stored(64).digest, OTHER_ARCH.name),
        (stored(128).digest, ARCH.name),
    }
    assert data.groups == sorted(data.groups)
    assert len(data.table) == len(data.secs) == len(data.groups)


def test_of_several_measurements_the_fastest_counts(store: Store) -> None:
    count = measure(store, 64, attempt=2)
    measure(store, 64, attempt=1)
    data = dataset(store, store.lessons("dense", 1e6))
    assert len(data.secs) == count
    assert min(s for s in data.secs if s) == min(
        invented(c) for c in (dict(x.config) for x in store.lessons("dense", 1e6))
    )


def test_nothing_measured_teaches_nothing(store: Store) -> None:
    trained = train(store, "dense", 1e6)
    assert (trained.model, trained.rows, trained.groups) == (None, 0, 0)


def test_training_is_bounded(store: Store) -> None:
    measure(store, 64)
    assert train(store, "dense", 1e6, limit=10).rows == 10
