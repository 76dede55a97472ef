from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.pipelines.cli import main
from heatpool.pool.archive.card import draft_card
from heatpool.pool.store.reader import FeatureStore
from tests.pool.store.store_cases import make_spec, make_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    spec = make_spec(citation="", versions={"av": ("18.1.0",), "opencv": ("4.14.0", "5.0.0")})
    make_store(tmp_path / "s.zarr", clips=11, spec=spec).close()
    return tmp_path / "s.zarr"


def test_a_store_is_described(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(store)]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    said = {" ".join(line).replace("  ", " ").strip() for line in lines}
    for expected in (
        "clips 11: 8 ok, 1 truncated, 2 failed",
        "persons 5 with 1, 4 with 2",
        "classes 3: wave, sit down, stand up",
        "unlabelled 3 clips",
        "weights sha256 " + "ab" * 32,
        "versions av 18.1.0, opencv 4.14.0 and 5.0.0",
        "licence CC BY 4.0",
        "citation not stated",
    ):
        assert expected in said
    text = "\n".join(sorted(said))
    assert "(N, M, T, V, C) = (11, 2, 4, 3, 5), precision f2" in text
    assert "3 train, 3 val, 2 test, 3 none" in text
    assert "100 to 110, mean 105" in text
    total = sum(FeatureStore.open(store).bytes_by_array().values())
    assert f"bytes {total:,}" in said
    assert f"bytes per clip {total / 9:,.0f} (pooled" in text  # nine have features


def test_the_card_says_the_same(store: Path) -> None:
    card = draft_card(FeatureStore.open(store))
    for expected in (
        "- 11 clips, 9 of them with features (8 ok, 1 truncated, 2 failed)",
        "= (11, 2, 4, 3, 5), precision f2; besides: keypoints, boxes, mask, time_s",
        "- 3 classes: wave, sit down, stand up",
        "- protocol xsub: 3 train, 3 val, 2 test, 3 none",
        "- network: tiny, tap stage2",
        "- versions: av 18.1.0, opencv 4.14.0 and 5.0.0",
    ):
        assert expected in card


def test_a_table_in_the_way_is_refused_before_the_store_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clips.csv").write_text("mine")
    assert main(["info", "nowhere.zarr", "--csv", str(tmp_path / "clips.csv")]) == 1
    said = capsys.readouterr().err
    assert "clips.csv already exists; choose another or replace it with --overwrite" in said
    assert (tmp_path / "clips.csv").read_text() == "mine"


def test_a_table_is_replaced_when_asked(store: Path, tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("mine")
    assert main(["info", str(store), "--csv", str(tmp_path / "clips.csv"), "--overwrite"]) == 0
    assert (tmp_path / "clips.csv").read_text().startswith("row,clip_id,")
    assert {path.name for path in tmp_path.iterdir()} == {"s.zarr", "clips.csv"}
