"""What the children of tests begin with: whatever a store imports, the late imports too."""

from __future__ import annotations

import tempfile

import psycopg  # noqa: F401
import pytest  # noqa: F401

from db import open_store
from db.testing.builders import populate
from tests.integration.db import crowd  # noqa: F401

with tempfile.TemporaryDirectory() as _folder, open_store(f"{_folder}/tunefleet.db") as _store:
    populate(_store)
