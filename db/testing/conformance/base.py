"""Fixtures that every part of the suite starts from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db.store.base import Store
from db.testing.builders import World, populate


class Conformance:
    """Base of the suite's parts."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """Yield an empty store; every backend overrides this."""
        raise NotImplementedError

    @pytest.fixture
    def world(self, store: Store) -> World:
        """Put something into the store."""
        return populate(store)
