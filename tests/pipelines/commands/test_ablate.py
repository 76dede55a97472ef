"""`heatpool ablate` on stores whose table is known by construction."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import heatpool
from heatpool.classify.scores.scores import load_scores
from heatpool.pipelines.cli import main
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec
from tests.pipelines.commands.ablate_cases import ablate, make_store
from tests.pipelines.program import said

_JOINED = ("pooled_and_map_mean", "pooled_and_keypoints")
_ROWS_OF_ONE_TAP = ("pooled", "map_mean", "keypoints", *_JOINED)
ROWS = ["pooled", "pooled_1", "pooled_2", "map_mean", "map_mean_1", "map_mean_2", "keypoints", *_JOINED]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "features.zarr")


@pytest.fixture(scope="module")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "ablation"
    assert ablate(store, out) == 0
    return out


def table_of(out: Path) -> dict[str, dict]:
    return {line["name"]: line for line in json.loads((out / "ablation.json").read_text())["table"]}


def test_only_the_rows_that_hold_the_class_find_it(finished: Path) -> None:
    table = table_of(finished)
    assert list(table) == ROWS
    for name, line in table.items():
        top1 = line["acc/top1"]
        if name in ("pooled", "pooled_1", *_JOINED):
            assert top1["mean"] > 0.99, name
        else:
            assert 0.35 < top1["mean"] < 0.65, name  # 120 test clips of two classes
        low, high = top1["interval"]
        assert low <= top1["mean"] <= high
    assert "difference" not in table["pooled"]
    assert abs(table["pooled_1"]["difference"]["value"]) < 0.01
    difference = table["keypoints"]["difference"]
    assert difference["value"] == pytest.approx(
        table["keypoints"]["acc/top1"]["mean"] - table["pooled"]["acc/top1"]["mean"]
    )
    assert difference["interval"][1] < -0.3


@pytest.mark.parametrize(
    ("carrier", "rows"), [("map_mean", {"map_mean", "map_mean_1"}), ("keypoints", {"keypoints"})]
)
def test_every_row_reads_its_own_array(carrier: str, rows: set[str], tmp_path: Path) -> None:
    store = make_store(tmp_path / "features.zarr", carrier=carrier)
    assert ablate(store, tmp_path / "out", "--group-by", "subject") == 0
    top1 = {name: line["acc/top1"]["mean"] for name, line in table_of(tmp_path / "out").items()}
    joined = {name: top1.pop(name) for name in _JOINED}
    assert {name for name, mean in top1.items() if mean > 0.9} == rows
    # Among the noise of 17 joints few clips teach it less well.
    assert (joined.pop(f"pooled_and_{carrier}") > 0.6) > (max(joined.values()) > 0.6)


def test_embeddings_of_frames_are_a_row_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rgb = RgbSpec("clip", 3, 6, 224, "cd" * 32)  # fewer frames than the persons have steps
    store = make_store(tmp_path / "features.zarr", carrier="rgb", rgb=rgb)
    assert ablate(store, tmp_path / "out", "--rows", "pooled,rgb") == 0
    assert "RGB is missing in 1 of 120 test clips: zeros stand in" in capsys.readouterr().err
    table = table_of(tmp_path / "out")
    assert table["rgb"]["acc/top1"]["mean"] > 0.9 > table["pooled"]["acc/top1"]["mean"]
    assert (table["rgb"]["features"], table["rgb"]["channels"]) == ("RGB embeddings", 6)
    assert table["rgb"]["bytes_a_clip"] == round(FeatureStore.open(store).bytes_by_array()["rgb"] / 240)


def test_channels_parameters_and_bytes_are_those_of_the_store(store: Path, finished: Path) -> None:
    table, sizes = table_of(finished), FeatureStore.open(store).bytes_by_array()
    assert [table[name]["channels"] for name in ROWS] == [5, 2, 3, 5, 2, 3, 3, 5, 8]
    assert [table[name]["features"] for name in ROWS] == [
        "pooled", "pooled, a", "pooled, b", "map mean", "map mean, a", "map mean, b", "keypoints",
        "pooled + map mean", "pooled + keypoints",
    ]  # fmt: skip
    for name, share in (("pooled", 1), ("pooled_1", 2 / 5), ("map_mean_2", 3 / 5), ("keypoints", 1)):
        array = name.rstrip("_12")
        assert table[name]["bytes_a_clip"] == round(sizes[array] * share / 240), name
    for name, other in zip(_JOINED, ("map_mean", "keypoints"), strict=True):
        both = table["pooled"]["bytes_a_clip"] + table[other]["bytes_a_clip"]
        assert abs(table[name]["bytes_a_clip"] - both) <= 1
    # Statistics of 17 joints, of the one that a mean is, of both, and of joints with keypoints.
    mlp = [3 * 17 * 5, 3 * 5, 3 * 18 * 5, 3 * 17 * 8]
    wanted = [inputs * 256 + 256 + 512 + 256 * 256 + 256 + 512 + 2 * 256 + 2 for inputs in mlp]
    assert [table[name]["parameters"] for name in ("pooled", "map_mean", *_JOINED)] == wanted


def test_the_table_is_written_for_people_and_programs(finished: Path) -> None:
    text = (finished / "ablation.md").read_text()
    lines = text.splitlines()
    assert lines[0].startswith("| features ")
    assert len({len(line) for line in lines[: 2 + len(ROWS)]}) == 1
    assert (
        "80" not in lines[-1].split("clips,")[0].split(":")[-1] or "60 train, 60 val, 120 test" in lines[-1]
    )
    assert "its share of the channels" in lines[-1]
    with (finished / "ablation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ROWS
    for row in rows:
        assert float(row["acc/top1"]) == table_of(finished)[row["name"]]["acc/top1"]["mean"]
    scores = load_scores(finished / "keypoints" / "seed_1" / "scores_test.npz")
    right = (scores.scores.argmax(1) == scores.labels).mean()
    assert table_of(finished)["keypoints"]["trainings"][1]["test"]["acc/top1"] == right
    assert not list(finished.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("mode", "taps"), [("ram", ()), pytest.param("none", (2, 3), marks=pytest.mark.slow)]
)
def test_the_same_again_gives_the_same_bytes(mode: str, taps: tuple[int, ...], tmp_path: Path) -> None:
    """Whether features lie in memory or are read from the store for every batch."""
    store = make_store(tmp_path / "features.zarr", taps=taps)
    for out, cache in (("one", "ram"), ("two", mode)):
        assert ablate(store, tmp_path / out, "--model", "linear", "--epochs", "1", "--cache", cache) == 0
    for name in ("ablation.json", "ablation.csv", "ablation.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_resume_trains_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from heatpool.classify.training import loop

    store = make_store(tmp_path / "features.zarr", taps=())
    few, jobs = (
        ("--model", "linear", "--epochs", "2"),
        [(row, seed) for row in _ROWS_OF_ONE_TAP for seed in (0, 1)],
    )
    out, trained = tmp_path / "out", []
    train_network = loop.train_network

    def stop_at(number: int):  # type: ignore[no-untyped-def]
        def train(architecture, *args, **options):  # type: ignore[no-untyped-def]
            trained.append((options["out_dir"].parent.name, architecture.recipe.seed))
            if len(trained) == number:
                raise KeyboardInterrupt
            return train_network(architecture, *args, **options)

        return train

    monkeypatch.setattr(loop, "train_network", stop_at(4))
    assert ablate(store, out, *few) == 130
    assert ablate(store, out, *few) == 1
    assert "--resume or replace it with --overwrite" in capsys.readouterr().err
    monkeypatch.setattr(loop, "train_network", stop_at(0))
    assert ablate(store, out, *few, "--resume") == 0
    assert trained == jobs[:4] + jobs[3:]
    assert ablate(store, out, "--resume") == 1
    assert "begun with other options" in capsys.readouterr().err
    before = (out / "ablation.json").read_bytes()
    assert ablate(store, out, *few, "--overwrite") == 0
    assert (out / "ablation.json").read_bytes() == before


def test_what_cannot_be_compared_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    plain = make_store(tmp_path / "plain.zarr", taps=(), map_mean=False)
    assert ablate(plain, out, "--protocol", "xview") == 1
    assert "expected --protocol to be one of xsub, got 'xview'" in said(capsys)
    assert ablate(plain, out, "--rows", "pooled,map_mean") == 1
    assert "expected two or more --rows of pooled, keypoints, pooled_and_keypoints" in said(capsys)
    assert ablate(plain, out, "--group-by", "camera") == 1
    assert "expected --group-by to be a column with several values (subject), got 'camera'" in said(capsys)
    assert ablate(make_store(tmp_path / "none.zarr", labelled=False), out) == 1
    assert "all 240 clips are unlabelled" in said(capsys)
    assert ablate(make_store(tmp_path / "leak.zarr", shared_subject=True), out) == 1
    assert "the split leaks" in said(capsys)
    assert not out.exists()


def test_torchrun_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert ablate(store, tmp_path / "out") == 1
    assert "torchrun is for heatpool train" in said(capsys)


def test_a_store_of_keypoints_alone_has_nothing_to_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = make_store(tmp_path / "plain.zarr", taps=(), map_mean=False)
    path = store / "zarr.json"
    root = json.loads(path.read_bytes())
    root["attributes"]["config"] = {"arrays": ["keypoints"]}  # as an imported store says it
    path.write_text(json.dumps(root))
    assert ablate(store, tmp_path / "out") == 1
    assert "nothing to compare, it holds keypoints only; extract with --map-mean" in said(capsys)


def test_a_store_of_one_tap_has_two_rows(tmp_path: Path) -> None:
    store = make_store(tmp_path / "features.zarr", taps=(), map_mean=False)
    assert ablate(store, tmp_path / "out", "--model", "linear", "--epochs", "1") == 0
    assert list(table_of(tmp_path / "out")) == ["pooled", "keypoints", "pooled_and_keypoints"]


def test_what_an_ablation_finds_can_be_trained_and_used(tmp_path: Path) -> None:
    store = make_store(tmp_path / "features.zarr", carrier="map_mean", taps=())
    streams = ("pooled_and_map_mean_joint", "map_mean_joint")
    run, few = tmp_path / "run", ("--epochs", "4", "--batch-size", "16", "--threads", "1", "--quiet")
    words = ("--model", "mlp", "--streams", ",".join(streams), *few)
    assert main(["train", str(store), "--out", str(run), *words]) == 0
    top1 = {name: figures.top1 for name, figures in heatpool.load_run(run).figures.items()}
    assert top1["map_mean_joint"] > 0.9
    assert top1["pooled_and_map_mean_joint"] > 0.6  # among the noise of 17 joints
    assert main(["evaluate", str(run), "--out", str(tmp_path / "again"), "--quiet"]) == 0
    for name in streams:
        before, after = (load_scores(each / name / "scores_test.npz") for each in (run, tmp_path / "again"))
        np.testing.assert_array_equal(before.scores, after.scores)
    answers = tmp_path / "answers.csv"
    assert main(["predict", "--run", str(run), "--features", str(store), "--out", str(answers)]) == 0
    with answers.open(newline="") as file:
        told = {row["clip_id"]: row["label_1"] for row in csv.DictReader(file)}
    fused = load_scores(run / "scores_test.npz")
    best = [fused.class_names[label] for label in fused.scores.argmax(1)]
    assert [told[clip] for clip in fused.clip_ids] == best
    assert "means of the tapped maps" in (run / "report.html").read_text(encoding="utf-8")


def test_folds_test_each_clip_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, out = make_store(tmp_path / "features.zarr", taps=()), tmp_path / "out"
    rows = ("pooled", "keypoints", "pooled_and_keypoints")
    few = ("--folds", "3", "--fold-by", "subject", "--model", "linear", "--rows", ",".join(rows))
    assert ablate(store, out, *few) == 0
    assert "3 folds by subject, 240 clips, each tested once" in capsys.readouterr().out
    pooled, keypoints, joined = table_of(out).values()
    assert min(pooled["acc/top1"]["mean"], joined["acc/top1"]["mean"]) > 0.99
    assert 0.35 < keypoints["acc/top1"]["mean"] < 0.65
    assert (len(keypoints["folds"]), pooled["folds"]) == (3, [1.0, 1.0, 1.0])
    for seed in (0, 1):
        folder = out / "keypoints" / f"seed_{seed}"
        parts = [load_scores(folder / f"fold_{fold}" / "scores_test.npz") for fold in (1, 2, 3)]
        scores = load_scores(folder / "scores_test.npz")
        assert scores.clip_ids == tuple(clip_id for part in parts for clip_id in part.clip_ids)
        assert len(set(scores.clip_ids)) == 240
        subjects = heatpool.open(store).clips.column("subject")
        by_fold = [{subjects[int(name.split()[1])] for name in part.clip_ids} for part in parts]
        assert sum(map(len, by_fold)) == len(set().union(*by_fold))
    before = (out / "ablation.json").read_bytes()
    (out / "keypoints" / "seed_1" / "fold_2" / "result.json").unlink()
    assert ablate(store, out, *few, "--resume") == 0
    assert (out / "ablation.json").read_bytes() == before


def test_parts_of_the_test_clips_have_figures_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, out, groups = make_store(tmp_path / "features.zarr", taps=()), tmp_path / "out", tmp_path / "g.csv"
    few = ("--model", "linear", "--rows", "pooled,keypoints", "--divide-by")
    groups.write_text("class_name,posture\nsit,low\n")
    assert ablate(store, out, *few, str(groups)) == 1
    assert "expected a group of each class" in said(capsys)
    groups.write_text("class_name;posture\nsit;low\nstand;high\n")
    assert ablate(store, out, *few, str(groups)) == 0
    for name, line in table_of(out).items():
        scores = [load_scores(out / name / f"seed_{seed}" / "scores_test.npz") for seed in (0, 1)]
        for part, label in (("low", 0), ("high", 1)):
            chosen = scores[0].labels == label
            right = np.mean([(each.scores.argmax(1) == each.labels)[chosen].mean() for each in scores])
            figures = line["parts"][part]
            assert (figures["clips"], figures["acc/top1"]["mean"]) == (chosen.sum(), pytest.approx(right))
            assert ("difference" in figures) == (name == "keypoints")
    columns = capsys.readouterr().out.splitlines()[-5]
    assert [cell.strip() for cell in columns.split("|")[1:-1]] == [
        "features", "high, 55 clips", "minus pooled", "low, 65 clips", "minus pooled",
    ]  # fmt: skip
    with (out / "ablation.csv").open(newline="") as file:
        assert float(list(csv.DictReader(file))[1]["low/difference"]) < 0
    # A column does it as well, and nothing is trained again for other parts.
    assert ablate(store, out, *few, "subject", "--resume") == 0
    assert len(table_of(out)["pooled"]["parts"]) == 6


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tcn", "ctrgcn"])
def test_other_heads_take_means_of_maps_too(model: str, store: Path, tmp_path: Path) -> None:
    assert ablate(store, tmp_path / "out", "--model", model) == 0
    table = table_of(tmp_path / "out")
    assert np.mean([table[name]["acc/top1"]["mean"] for name in ("pooled", "pooled_1")]) > 0.95
    assert 0.3 < table["map_mean"]["acc/top1"]["mean"] < 0.7
    assert table["map_mean"]["parameters"] < table["pooled"]["parameters"]


def test_one_seed_is_refused(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ablate", str(store), "--seeds", "1"])
    assert "expected --seeds from 2 to 1,000, got 1" in said(capsys)
