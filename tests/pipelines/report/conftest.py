"""One store and one page for all tests of the report; no test changes them."""

from __future__ import annotations

import pytest

from heatpool.pipelines.report import write_report
from heatpool.pool.store.reader import FeatureStore
from tests.pipelines.report.page_reader import Page
from tests.pipelines.report.report_cases import SpotBackbone, make_run, make_store, make_videos


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return make_store(tmp_path_factory.mktemp("store") / "features.zarr")


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory, store: FeatureStore) -> Page:
    """The report of the full run."""
    folder = tmp_path_factory.mktemp("report")
    run = make_run(folder / "run")
    path = write_report(run, store, videos_root=make_videos(folder), load_network=SpotBackbone)
    assert path == run / "report.html"
    return Page(path)
