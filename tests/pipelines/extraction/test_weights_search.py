"""Where weights are looked for, and the records of official ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.extract.networks.weight_sources import WEIGHTS
from heatpool.pipelines.extraction.weights_search import (
    FOLDER_VARIABLE,
    WeightsSearchPath,
    recorded_weights,
)
from tests.pipelines.extraction.choose_cases import put


def test_the_cache_of_the_hub_is_looked_in(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    path = WeightsSearchPath((tmp_path,), tmp_path / "hub")
    model = tmp_path / "hub/models--usyd-community--vitpose-base"
    snapshot = model / "snapshots/0123abc"
    snapshot.mkdir(parents=True)
    put(snapshot, "config.json")
    (model / "refs").mkdir()
    (model / "refs/main").write_text("0123abc")
    assert path.find("usyd-community/vitpose-base") is None  # the download was cut off
    put(snapshot, "model.safetensors")
    assert path.find("usyd-community/vitpose-base") == snapshot
    assert path.find("usyd-community/vitpose-plus-base") is None


def test_the_users_own_folder_is_searched_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    put(tmp_path, "yolo11n-pose.pt")
    path = WeightsSearchPath.of_machine()
    assert path.folders[0] == tmp_path
    assert path.find("yolo11n-pose.pt") == tmp_path / "yolo11n-pose.pt"
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert WeightsSearchPath.of_machine().fetch_folder == tmp_path / "heatpool" / "weights"


def test_recorded_weights_are_found_again_on_another_machine(tmp_path: Path) -> None:
    put(tmp_path, "yolo26n.pt")
    here = str(tmp_path / "yolo26n.pt")
    gone = "/nowhere/yolo26n.pt"
    assert [recorded_weights(each) for each in (here, gone, "/nowhere/mine.pt", None)] == [
        here, "yolo26n.pt", "/nowhere/mine.pt", None,
    ]  # fmt: skip


def test_records_are_well_formed() -> None:
    names = [source.name for source in WEIGHTS]
    assert len(set(names)) == len(names)
    for source in WEIGHTS:
        assert len(source.sha256) in (0, 64)
        assert set(source.sha256) <= set("0123456789abcdef")
        assert source.ap is None or 30 < source.ap < 90
        assert source.licence


def test_the_folder_of_ultralytics_is_its_own() -> None:
    """Read from the library's settings file, since the library itself takes seconds to import."""
    from ultralytics.utils import SETTINGS

    assert Path(SETTINGS["weights_dir"]) in WeightsSearchPath.of_machine().folders
