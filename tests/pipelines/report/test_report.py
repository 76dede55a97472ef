from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
from dataclasses import asdict, replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml

from heatpool.classify.scores.scores import save_scores
from heatpool.classify.training.recipe import Recipe
from heatpool.pipelines.cli import read_command
from heatpool.pipelines.drawing.video_writer import write_png
from heatpool.pipelines.extraction.run_file import write_run_file
from heatpool.pipelines.options import ExtractOptions, TrainOptions
from heatpool.pipelines.report import write_report
from heatpool.pipelines.report.commands import command_lines
from heatpool.pipelines.report.run_files import read_run_files
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.paths import ROOT
from tests.pipelines.report.report_cases import (
    CLASSES,
    SpotBackbone,
    make_run,
    make_scores,
    make_store,
    make_videos,
)

SECTIONS = {"results", "samples", "confusions", "trust", "classes", "curves", "data", "again"}


class Page(HTMLParser):
    """What a browser would see: tags, addresses, ids and text; raises on tags that do not nest."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.titles: set[str] = set()
        self._open: list[str] = []
        self.feed(self.source)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [values[name] or "" for name in ("src", "href") if name in values]
        self.ids |= {values["id"] or ""} if "id" in values else set()
        self.titles |= {values["title"] or ""} if "title" in values else set()
        if tag == "img":
            self.images.append(values)
        if tag not in ("img", "meta"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return make_store(tmp_path_factory.mktemp("store") / "features.zarr")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return make_videos(tmp_path)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, store: FeatureStore) -> Page:
    """The report of the full run; no test changes it."""
    folder = tmp_path_factory.mktemp("report")
    run = make_run(folder / "run")
    path = write_report(run, store, videos_root=make_videos(folder), load_network=SpotBackbone)
    assert path == run / "report.html"
    return Page(path)


def test_page_is_self_contained(page: Page) -> None:
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in page.links)
    assert not re.search(r"@import|url\(|https?://", page.source)
    assert len(page.source) < 3_000_000


def test_sections_are_there_and_linked(page: Page) -> None:
    assert page.ids == SECTIONS
    assert {link[1:] for link in page.links if link.startswith("#")} == SECTIONS


def test_headline_figures(page: Page) -> None:
    # The fusion has 3 of 4 right; Wilson's interval of 3 of 4 is 30.1 to 95.4 %.
    assert "Top-1 accuracy on unseen subjects (fused): 3 of 4 clips recognised among 3 classes" in page.text
    assert "95 % interval 30.1 to 95.4 %. Chance is 33.3 %." in page.text
    assert "the test split holds 2 subjects (s3, s4) of which no clip was used" in page.text
    assert "2 clips to train on, 2 for validation, 4 for the test." in page.text
    assert "1 test clip without features is not counted" in page.text


def rows_of(page: Page) -> list[str]:
    """Text of every table row."""
    rows = re.findall(r"<tr.*?</tr>", page.source, flags=re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows]


def test_stream_table(page: Page) -> None:
    rows = rows_of(page)
    # Mean class of pooled: wave 1 of 2, sit 2 of 2; of keypoints: wave 2 of 2, sit 0 of 2.
    assert any(
        row.startswith("pooled_joint")
        and "75.0 % 30.1 to 95.4 % 3 of 4 75.0 % 100.0 % 2 (0 to 2) 1.25" in row
        for row in rows
    )
    assert any(
        row.startswith("keypoints_joint") and "50.0 % 15.0 to 85.0 % 2 of 4 50.0 % 100.0 %" in row
        for row in rows
    )
    assert "pooled_joint only 2 50.0 %" in rows
    assert "keypoints_joint only 1 25.0 %" in rows
    assert "every stream 1 25.0 %" in rows
    assert "s3 100.0 % 2 of 2 34.2 to 100.0 % 100.0 %" in rows
    assert "s4 50.0 % 1 of 2 9.5 to 90.5 % 50.0 %" in rows


def test_calibration_and_groups_by_hand(page: Page) -> None:
    # Every guess has probability 0.8; the fusion has 3 of 4 right, so the gap is 5 points.
    assert "fused gives its best class 80.0 % on average and is correct on 75.0 %" in page.text
    assert "it is surer than it is correct" in page.text
    assert "over bins of confidence, is 5.0 %" in page.text
    rows = rows_of(page)
    assert any(row.startswith("fused 80.0 % 5.0 %") for row in rows)
    assert any(row.startswith("keypoints_joint 80.0 % 30.0 %") for row in rows)
    assert any(row.startswith("c1 ") and row.count("of 2") == 1 for row in rows)
    assert "Over " not in page.text  # one seed has no spread


def test_classes_hardest_first_with_the_empty_one_last(page: Page) -> None:
    rows = rows_of(page)
    start = next(at for at, row in enumerate(rows) if row.startswith("Class Train Val Test"))
    assert rows[start] == "Class Train Val Test fused pooled_joint keypoints_joint Mostly taken for"
    assert rows[start + 1] == "sit & stand 1 1 2 50 % 100 % 0 % wave (1)"
    assert rows[start + 2] == "wave 1 0 2 100 % 50 % 100 %"
    assert rows[start + 3] == "<b>jump</b> 0 1 0 no test clips no test clips no test clips"


def test_confusions(page: Page) -> None:
    assert "sit & stand taken for wave: 1 of 2 clips (50 %)" in page.titles
    assert "wave taken for wave: 2 of 2 clips (100 %)" in page.titles
    assert "sit & stand 1 1" in rows_of(page)  # of the matrix
    assert "sit & stand wave 1" in rows_of(page)


def test_store_card(page: Page, store: FeatureStore) -> None:
    rows = rows_of(page)
    assert "test 4 1 5" in rows
    assert "all 8 1 9" in rows
    assert "7 clips with 1 person, 1 clip with 2 persons." in page.text
    assert "64 × 48 px (8 clips)." in page.text
    # (8, 2, 17, 3) float32 and a header of 128 bytes.
    assert f"would take {(8 * 2 * 17 * 3 * 4 + 128) / 1e3:.3g} kB per clip" in page.text
    total = sum(store.bytes_by_array().values())
    assert f"{3392 / (total / 8):.1f} times as much" in page.text
    assert "weights sha256 " + "ab" * 32 in rows
    assert "<script>alert(1)</script> failed cannot open <it>" in rows


def test_what_users_write_is_escaped(page: Page) -> None:
    assert "<b>jump" not in page.source
    assert "<script>" not in page.source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.source
    assert "CC &lt;0&gt;" in page.source
    assert "x &amp; y" in page.source
    assert CLASSES[2] in page.text


def test_sample_clips_have_pictures(page: Page) -> None:
    alts = [image["alt"] or "" for image in page.images]
    assert len([alt for alt in alts if "with boxes and joints" in alt]) == 4 * 6
    assert len([alt for alt in alts if "with heatmaps" in alt]) == 4
    assert all(alt.startswith("Frame of clip") for alt in alts)
    assert "peak of person 1: 0.50, 2: 0.50" in page.text
    assert "80.0 %" in page.text
    assert page.text.count("✗ wrong") == 1
    assert "sit & stand taken for wave" in page.text
    assert "another network" not in page.text


def test_missing_pictures_are_said(tmp_path: Path, store: FeatureStore, videos: Path) -> None:
    run = make_run(tmp_path / "run")
    without = Page(write_report(run, store, videos_root=None, load_network=SpotBackbone))
    assert not without.images
    assert without.text.count("No frames: the folder of the videos was not given.") == 4
    (videos / "clip5.mp4").unlink()
    (videos / "clip6.mp4").write_text("no video")
    some = Page(write_report(run, store, videos_root=videos))
    assert len(some.images) == 2 * 6
    assert "clip5.mp4 does not exist" in some.text
    assert "cannot open clip6.mp4" in some.text
    assert some.text.count("No heatmaps: no pose network was given.") == 2
    none = Page(
        write_report(run, store, videos_root=videos, load_network=lambda: SpotBackbone(heatmaps=False))
    )
    assert none.text.count("No heatmaps: the network spot gives none.") == 2


def test_other_network_is_said(tmp_path: Path, store: FeatureStore, videos: Path) -> None:
    other = SpotBackbone()
    other.weights_sha256 = "cd" * 32
    text = Page(
        write_report(make_run(tmp_path / "run"), store, videos_root=videos, load_network=lambda: other)
    ).text
    assert "They come from another network (spot, weights cdcdcdcdcdcd) than the features." in text


def test_contact_sheets_are_shown_with_licence_and_origin(tmp_path: Path, store: FeatureStore) -> None:
    sheet, caption = tmp_path / "sheet.png", "Clip of somebody, BSD-3-Clause"
    write_png(sheet, np.full((60, 3200, 3), 90, np.uint8))
    run = make_run(tmp_path / "run")
    page = Page(write_report(run, store, videos_root=None, sheets=[(sheet, caption)]))
    assert "Contact sheets" in page.text
    assert caption in page.text
    assert [image["width"] for image in page.images if caption in image["alt"]] == ["1600"]
    assert "Contact sheets" not in Page(write_report(run, store, videos_root=None)).text
    with pytest.raises(HeatpoolError, match=r"expected a picture, got .*none\.png"):
        write_report(run, store, videos_root=None, sheets=[(tmp_path / "none.png", caption)])


def test_one_stream_without_val(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run", streams=["keypoints_joint"], val=False)
    page = Page(write_report(run, store, videos_root=None, out=tmp_path / "other.html"))
    assert "(keypoints_joint): 2 of 4 clips recognised" in page.text
    assert "The run has no scores of a val split" in page.text
    assert "Where the streams agree" not in page.text
    assert not re.search(r"\bfus", page.text)
    assert page.ids == SECTIONS


def test_unknown_subjects_are_not_called_unseen(tmp_path: Path) -> None:
    store = make_store(tmp_path / "plain.zarr", known_subjects=False)
    page = Page(write_report(make_run(tmp_path / "run"), store, videos_root=None))
    assert "Top-1 accuracy on the test split (fused)" in page.text
    assert "the manifest names neither subjects nor cameras" in page.text


def test_summary_that_contradicts_the_scores_is_said(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run")
    assert "summary.json says" not in Page(write_report(run, store, videos_root=None)).text
    summary = json.loads((run / "summary.json").read_text())
    summary["streams"]["pooled_joint"]["test"]["acc/top1"] = 0.99
    (run / "summary.json").write_text(json.dumps(summary))
    text = Page(write_report(run, store, videos_root=None)).text
    assert "summary.json says top-1 99.00% for pooled_joint, its score file gives 75.00%" in text


def test_run_without_summary_is_refused(tmp_path: Path, store: FeatureStore) -> None:
    with pytest.raises(HeatpoolError, match=r"summary\.json is missing; train it first"):
        write_report(tmp_path, store, videos_root=None)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"protocol": "xsub"}', '{"protocol": "xsub", "streams": {}}']
)
def test_damaged_summary_is_refused(tmp_path: Path, store: FeatureStore, content: str) -> None:
    run = make_run(tmp_path / "run")
    (run / "summary.json").write_text(content)
    with pytest.raises(HeatpoolError, match=r"summary\.json"):
        write_report(run, store, videos_root=None)


def test_store_of_another_run_is_refused(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run")
    scores = make_scores((4, 5, 6, 7), (0, 1, 0, 0))
    save_scores(run / "scores_test.npz", replace(scores, clip_ids=("clip4", "clip5", "clip6", "elsewhere")))
    with pytest.raises(HeatpoolError, match="score different clips"):
        write_report(run, store, videos_root=None)
    single = make_run(tmp_path / "single", streams=["pooled_joint"])
    save_scores(single / "pooled_joint" / "scores_test.npz", replace(scores, labels=1 - scores.labels))
    with pytest.raises(HeatpoolError, match="has other labels"):
        write_report(single, store, videos_root=None)
    gone = replace(scores, clip_ids=("clip4", "clip5", "clip6", "elsewhere"))
    save_scores(single / "pooled_joint" / "scores_test.npz", gone)
    with pytest.raises(HeatpoolError, match=r"lacks 1 scored clips, for example 'elsewhere'"):
        write_report(single, store, videos_root=None)


def test_commands_parse_to_what_was_run(tmp_path: Path) -> None:
    store = make_store(tmp_path / "my features.zarr")
    run = make_run(tmp_path / "run", streams=["keypoints_joint"])
    assert command_lines(read_run_files(run), store) == []
    extraction = ExtractOptions(
        videos=tmp_path / "clips.csv", out=store.path, backend="tiny", detector="full-frame", steps=8,
        quiet=True, source="drawn 'here'",
    )  # fmt: skip
    write_run_file(store.path, extraction, videos_root=tmp_path)
    recipe = asdict(replace(Recipe(), epochs=3, learning_rate=0.02, seed=7))
    (run / "config.yaml").write_text(
        yaml.safe_dump({"features": str(store.path), "recipe": json.loads(json.dumps(recipe))})
    )
    extract, train = (shlex.split(line) for line in command_lines(read_run_files(run), store))
    assert read_command(extract[1:]) == replace(extraction, quiet=False)
    assert read_command(train[1:]) == TrainOptions(
        features=str(store.path), protocol="xsub", streams=("keypoints_joint",), out=run, recipe="paper",
        epochs=3, batch_size=64, learning_rate=0.02, seed=7,
    )  # fmt: skip
    page = Page(write_report(run, store, videos_root=None))
    assert "heatpool train --features" in page.text
    again = Page(write_report(run, store, videos_root=None, commands=["one two"]))
    assert "one two" in again.text


def test_a_run_that_keeps_its_options_runs_from_them(tmp_path: Path) -> None:
    store = make_store(tmp_path / "features.zarr")
    run = make_run(tmp_path / "my run", streams=["keypoints_joint"])
    options = TrainOptions(str(store.path), run, protocol="xsub", epochs=3, milestones=(1, 2))
    chosen = {name: value for name, value in asdict(options).items() if value and name != "out"}
    (run / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(chosen))))
    (train,) = command_lines(read_run_files(run), store)
    assert read_command(shlex.split(train)[1:]) == options


def test_unwritable_page_is_refused(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(HeatpoolError, match="where.html: cannot be written"):
        write_report(run, store, videos_root=None, out=tmp_path / "file" / "where.html")


def test_without_pictures_nothing_of_stage_one_is_loaded(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from heatpool.pipelines.report import report_run\n"
        "from heatpool.pool.store.reader import FeatureStore\n"
        "report_run(Path(sys.argv[1]), FeatureStore.open(sys.argv[2]))\n"
        "heavy = {'av', 'cv2', 'ultralytics', 'onnx', 'transformers', 'torch', 'matplotlib', 'scipy'}\n"
        "stage_one = [name for name in sys.modules if name.startswith('heatpool.extract')]\n"
        "print(*sorted(heavy & set(sys.modules)), *stage_one)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(run), str(store.path)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == ""
    assert "No frames: the folder of the videos was not given." in Page(run / "report.html").text


@pytest.mark.parametrize("name", ["run", "ctrgcn", "seeds", "hpnet"])
def test_runs_of_the_old_build_are_reported(name: str, tmp_path: Path) -> None:
    with tarfile.open(ROOT / "tests" / "fixtures" / "old_build.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    store = FeatureStore.open(tmp_path / "features.zarr")
    page = Page(write_report(tmp_path / name, store, videos_root=None))
    assert page.ids == SECTIONS
    assert "of 8 clips" in page.text
    command = next(line for line in page.text.split("heatpool ") if line.startswith("train"))
    options = read_command(shlex.split(command.partition(" Seed ")[0]))
    assert isinstance(options, TrainOptions)
    assert options.protocol == "xsub"
    assert options.model == {"run": "linear", "seeds": "linear"}.get(name, name)
    assert options.seeds == (2 if name == "seeds" else 1)
