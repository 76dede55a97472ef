"""A run that several files of tests predict with, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines.commands.prediction_cases import make_run


@pytest.fixture(scope="session")
def brightness_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells videos that get brighter ("rise") from others ("fall"); its store lies beside it."""
    return make_run(tmp_path_factory.mktemp("brightness"))
