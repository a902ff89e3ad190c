"""Random lives of jobs, the same on both databases as in the model."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from db import Store

from .job_machine import JobMachine


@pytest.mark.slow
def test_the_life_of_jobs(store: Store) -> None:
    # Any factory will do; the annotation knows classes only.
    machine: Any = partial(JobMachine, store)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
