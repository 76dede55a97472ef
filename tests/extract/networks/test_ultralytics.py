from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.yolo_parity import random_network
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton
from tests.fixtures.small_weights import NARROW_YOLO


@pytest.fixture(scope="module")
def one_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of them, for what all have in common."""
    return random_network("yolo11n-pose.yaml", tmp_path_factory.mktemp("yolo") / "pose.pt", **NARROW_YOLO)


def test_the_input_is_as_large_as_in_training(one_checkpoint: Path, tmp_path: Path) -> None:
    """As in `YOLO.predict`: the official P6 networks are of 1280 pixels."""
    assert load_ultralytics(one_checkpoint).image_px == 640
    content = torch.load(one_checkpoint, weights_only=False)
    for asked, taken in ((1280, 1280), (70, 96), ([384, 640], 640)):
        torch.save({**content, "train_args": {"imgsz": asked}}, tmp_path / "sized.pt")
        assert load_ultralytics(tmp_path / "sized.pt").image_px == taken
    torch.save({**content, "train_args": {"imgsz": 10**6}}, tmp_path / "sized.pt")
    with pytest.raises(HeatpoolError, match="expected imgsz of 32 to 8192 pixels"):
        load_ultralytics(tmp_path / "sized.pt")


@pytest.mark.parametrize(
    ("names", "kpt_shape", "persons", "skeleton"),
    [
        ({0: "person"}, (17, 3), (0,), COCO17_SKELETON),
        ({0: "car", 1: "Person"}, (17, 3), (1,), COCO17_SKELETON),
        ({0: "dog", 1: "person", 2: " PERSON "}, (17, 2), (1, 2), COCO17_SKELETON),
        ({0: "racket"}, (4, 3), (0,), Skeleton.unnamed(4)),
        ({0: "cat", 1: "dog"}, (17, 3), (0, 1), Skeleton.unnamed(17)),
        ({0: "animal"}, (17, 3), (0,), Skeleton.unnamed(17)),  # AP-10K's 17 joints are no person's
    ],
)
def test_classes_and_joints_are_as_they_are(
    tmp_path: Path,
    names: dict[int, str],
    kpt_shape: tuple[int, int],
    persons: tuple[int, ...],
    skeleton: Skeleton,
) -> None:
    changes = {"names": names, "kpt_shape": list(kpt_shape), **NARROW_YOLO}
    raised = [2.0 * (number in persons) for number in names]
    path = random_network("yolo11n-pose.yaml", tmp_path / "pose.pt", raised=raised, **changes)
    loaded = load_ultralytics(path)
    assert (loaded.person_classes, loaded.skeleton) == (persons, skeleton)
    backbone = YoloPose(loaded, image_px=64)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    (people,) = backbone.estimate([backbone.prepare(Frame(0, 0, 0.0, noise))])
    assert backbone.skeleton == skeleton
    assert len(people.detections)
    assert people.joints_xy_px.shape[1:] == (kpt_shape[0], 2)
    if kpt_shape[1] == 2:  # such networks say nothing of their joints' certainty
        assert (people.scores == 1).all()
    else:
        assert len(np.unique(people.scores)) > 1


def test_the_names_of_the_joints_are_the_networks(one_checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(one_checkpoint, weights_only=False)
    content["model"].kpt_names = {0: [f"point {number}" for number in range(17)]}
    torch.save(content, tmp_path / "named.pt")
    skeleton = load_ultralytics(tmp_path / "named.pt").skeleton
    assert skeleton == Skeleton("joints17", tuple(f"point_{number}" for number in range(17)))


def test_a_detector_has_no_joints(tmp_path: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    model = DetectionModel(yaml_model_load("yolo11n.yaml") | NARROW_YOLO, verbose=False)
    model.names = {0: "person", 1: "bicycle"}
    torch.save({"model": model, "train_args": {}}, tmp_path / "detect.pt")
    loaded = load_ultralytics(tmp_path / "detect.pt")
    assert (loaded.person_classes, loaded.joints) == ((0,), 0)
    with pytest.raises(HeatpoolError, match="has no joints"):
        YoloPose(loaded)
    model.names = {0: "cat", 1: "dog"}
    torch.save({"model": model, "train_args": {}}, tmp_path / "cats.pt")
    with pytest.raises(HeatpoolError, match="expected a class 'person' in .*, got cat, dog"):
        load_ultralytics(tmp_path / "cats.pt")


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ("yolo11n-seg.yaml", "SegmentationModel"),
        ("yolo11n-obb.yaml", "OBBModel"),
        ("yolo11n-cls.yaml", "ClassificationModel"),
    ],
)
def test_checkpoints_of_other_tasks_are_named_and_refused(tmp_path: Path, config: str, kind: str) -> None:
    """Some derive from the detection model, and what they predict would be taken for its boxes."""
    from ultralytics.nn import tasks

    narrow = tasks.yaml_model_load(config) | NARROW_YOLO
    torch.save({"model": getattr(tasks, kind)(narrow, nc=1, verbose=False)}, tmp_path / "other.pt")
    with pytest.raises(HeatpoolError, match=f"expected a detect or pose checkpoint .* got {kind}; take"):
        load_ultralytics(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"conv.weight": torch.zeros(1)}, "got entries .'conv.weight'."),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull gets it"),
        (b"<!doctype html>", "is a web page"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_said_to_be_what_it_is(
    tmp_path: Path, content: object, message: str
) -> None:
    path = tmp_path / "pose.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(HeatpoolError, match=message) as caught:
        load_ultralytics(path)
    assert "\n" not in str(caught.value)


def test_names_of_classes_may_be_a_list(one_checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(one_checkpoint, weights_only=False)
    content["model"].names = ["ball", "Person"]
    torch.save(content, tmp_path / "listed.pt")
    assert load_ultralytics(tmp_path / "listed.pt").person_classes == (1,)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "evil"])
def test_what_is_no_checkpoint_is_refused_and_never_run(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pt"
    if kind == "folder":
        path.mkdir()
    if kind == "text":
        path.write_text("no checkpoint")
    if kind == "evil":
        path.write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(HeatpoolError, match="cannot load") as caught:
        load_ultralytics(path)
    assert "\n" not in str(caught.value)
    assert ("it is a folder" in str(caught.value)) == (kind == "folder")
    assert "never run" not in capsys.readouterr().out
