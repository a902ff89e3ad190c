"""Models from a package nobody here wrote, the whole way: exported, tuned, served, compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from db import CampaignState, open_store
from examples.deepctr import Architecture, export_ctr
from runtime import Engine, InputError
from scheduler.campaigns import add_model, start_campaign
from tests.integration.campaign.test_campaign import run_campaign
from tests.unit.runtime.conftest import torch_scores


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DeepFM", "WDL"])
def test_tuned_scores_equal_torch(name: Architecture, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.pt2"
    export_ctr(name, path)
    url = f"sqlite:///{tmp_path}/log.db"
    with open_store(url) as store:
        version = add_model(store, path, buckets=(16,))
        campaign, _ = start_campaign(
            store, version, archs=["host"], buckets=[16], strategy="autotvm", trials=None,
            seconds=1.0,
        )  # fmt: skip
        run_campaign(store, url, campaign)
        progress = store.campaign_progress(campaign)
        assert progress.state is CampaignState.DONE
        assert progress.measurements > 0
        assert not progress.errors
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(path, buckets=(16,))
    (bucket,) = model.report().buckets
    assert bucket.from_records > 0
    assert all(kernel.reason == "" for kernel in bucket.kernels)
    for batch in (1, 16, 23):
        inputs = model.random_inputs(batch, seed=batch)
        expected = torch_scores(path, *inputs)
        np.testing.assert_allclose(model(*inputs), expected, atol=1e-5, rtol=0)
        assert np.ptp(expected) > 0 or batch == 1
    # deepctr passes its indices as floats in the columns of one input.
    (columns,) = model.random_inputs(4)
    columns[2, 0] = 1e6
    with pytest.raises(InputError, match="row 2"):
        model(columns)
