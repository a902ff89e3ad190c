"""What serving processes say of themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.domain.serving import ServedBucket, Serving
from db.errors import NotFound
from db.testing.builders import ARCH, World
from db.testing.conformance.base import Conformance


class ServingConformance(Conformance):
    """Who serves what."""

    def test_serving_is_noted_again_and_again(self, world: World) -> None:
        store = world.store
        digest = store.model_version(world.model_version).digest
        buckets = (ServedBucket(1, 10, {"record": 3}), ServedBucket(16, 5, {"default": 3}))
        told = Serving("engine", "host", digest, ARCH.name, 0, buckets)
        store.note_serving(told)
        store.note_serving(replace(told, refreshes=2, buckets=buckets[:1]))
        rows = store.stats().rows
        assert (rows["servings"], rows["serving_buckets"]) == (1, 1)
        store.note_serving(replace(told, process="another"))
        rows = store.stats().rows
        assert (rows["servings"], rows["serving_buckets"]) == (2, 3)

    def test_only_what_is_known_is_served(self, world: World) -> None:
        store = world.store
        digest = store.model_version(world.model_version).digest
        told = Serving("engine", "host", digest, ARCH.name, 0, ())
        with pytest.raises(NotFound, match="add_model_version"):
            store.note_serving(replace(told, digest="0" * 64))
        with pytest.raises(NotFound, match="add_arch"):
            store.note_serving(replace(told, arch="pentium"))
        with pytest.raises(ValueError, match="no such lookup: luck"):
            ServedBucket(1, 0, {"luck": 1})
        assert store.stats().rows["servings"] == 0
