"""Workloads that leave for TVM and come back are the same workloads."""

from __future__ import annotations

import pytest

from db import Store
from scheduler.exchange import TunerCodec
from tests.integration.fleet.campaigns import AVX512


def test_every_workload_of_a_model_comes_back(store: Store) -> None:
    codec = TunerCodec()
    version = store.model_version("dlrm").id
    tasks = store.tasks(version, AVX512, 8)
    assert len(tasks) >= 5
    for task in tasks:
        encoded = codec.encode(task.workload)
        back = codec.decode(encoded.module_json, encoded.args_info)
        assert back.digest == task.workload.digest
        assert (back.op_kind, back.name) == (task.workload.op_kind, task.workload.name)
        assert back.flops == task.workload.flops


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="not a module of one kernel"):
        TunerCodec().decode("{}", None)
