"""Compiled code outlives the process that made it, and is never believed unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from runtime import Engine
from runtime.cache import DiskCache, bucket_key
from tests.unit.runtime.conftest import torch_scores
from tuner.arch import host_arch, resolve


def test_what_was_put_is_there_for_every_later_process(tmp_path: Path) -> None:
    DiskCache(tmp_path / "code").put("a", {"x": np.arange(3)})
    found = DiskCache(tmp_path / "code").get("a")
    assert found is not None
    np.testing.assert_array_equal(found["x"], np.arange(3))
    assert DiskCache(tmp_path / "code").get("b") is None


@pytest.mark.parametrize("keep", [0, 10, 40, -1])
def test_a_damaged_entry_is_removed_not_read(tmp_path: Path, keep: int) -> None:
    cache = DiskCache(tmp_path / "code")
    cache.put("a", "value")
    (file,) = (tmp_path / "code").glob("*.entry")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content[:keep] if keep >= 0 else content)
    assert cache.get("a") is None
    assert cache.counts["damaged"] == 1
    assert not file.exists()


def test_the_longest_unused_make_room(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "code", limit_bytes=4000)
    for i, key in enumerate("abc"):
        cache.put(key, bytes(1000))
        os.utime(tmp_path / "code" / f"{key}.entry", (i, i))
    assert cache.get("a") == bytes(1000)
    cache.put("d", bytes(1400))
    assert [k for k in "abcd" if cache.get(k) is not None] == ["a", "c", "d"]
    assert cache.counts["evicted"] == 1
    cache.put("huge", bytes(9000))
    assert sum(f.stat().st_size for f in (tmp_path / "code").iterdir()) <= 4000


def test_a_folder_that_others_may_write_to_is_not_believed(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "code")
    cache.put("a", "value")
    (tmp_path / "code").chmod(0o777)
    assert cache.get("a") is None
    cache.put("b", "value")
    assert not (tmp_path / "code" / "b.entry").exists()


def test_a_folder_that_cannot_be_written_costs_the_entry_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "code")
    cache.put("a", "value")
    assert cache.get("a") is None
    with cache.making("a"):
        pass


def test_one_at_a_time_makes_an_entry(tmp_path: Path) -> None:
    cache, inside, most = DiskCache(tmp_path / "code"), [0], [0]

    def make(_: int) -> None:
        with cache.making("a"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            cache.put("a", "value")
            inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(8)))
    with cache.making("a"), cache.making("a", patience_s=0.1):
        pass
    assert cache.get("a") == "value"
    assert not list((tmp_path / "code").glob("*.part"))


def test_a_key_is_of_everything_that_code_depends_on() -> None:
    host = host_arch()
    keys = {
        bucket_key("g", 1, host, {}),
        bucket_key("h", 1, host, {}),
        bucket_key("g", 2, host, {}),
        bucket_key("g", 1, resolve("bdver4"), {}),
        bucket_key("g", 1, host, {"w": "1"}),
        bucket_key("g", 1, host, {"w": "2"}),
    }
    assert len(keys) == 6


def test_a_model_loads_from_disk_with_the_same_scores(small_dlrm: Path, tmp_path: Path) -> None:
    with Engine(use_records=False, cache=tmp_path) as first:
        cold = first.load(small_dlrm, buckets=(1, 8))
        assert first.compile_count == 2
    with Engine(use_records=False, cache=tmp_path) as engine:
        model = engine.load(small_dlrm, buckets=(1, 4, 8))
        assert engine.compile_count == 1
    assert [b.cached for b in model.report().buckets] == [True, False, True]
    assert "from disk" in str(model.report())
    inputs = model.random_inputs(9)
    np.testing.assert_array_equal(model(*inputs), cold(*inputs))
    model.refresh(small_dlrm)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_a_load_from_disk_needs_no_torch(small_dlrm: Path, kept: Path) -> None:
    """It reads the weights from the archive; the exported graph stays unread."""
    with Engine(use_records=False, cache=kept) as engine:
        engine.load(small_dlrm, buckets=(8,))
    program = (
        "import sys; from runtime import Engine; import torch.export;"
        "torch.export.load = None; e = Engine(use_records=False, cache=sys.argv[2]);"
        "m = e.load(sys.argv[1], buckets=(8,)); assert e.compile_count == 0;"
        "m(*m.random_inputs(8))"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(small_dlrm), str(kept)], check=True, timeout=600
    )
