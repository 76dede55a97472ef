"""Frames and squares by hand, then through the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatpool.extract.engine.engine import ClipJob, EngineOptions, Outcome, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.records import Detections, Frame
from heatpool.extract.rgb.crops import CropFiles, FrameKeeper, crop_square, middle_frames, persons_boxes
from heatpool.pool.records import Status
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.store.jpeg import unpack_jpegs
from tests.conftest import AnalyticBackbone, BrightDetector, FrameDetector, VideoMaker

GREY = (123, 117, 104)


def ramp(width: int = 256, height: int = 200) -> np.ndarray:
    """A frame whose pixels hold their x in red, their y in green."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = np.arange(width)
    frame[..., 1] = np.arange(height)[:, None]
    return frame


def people(*boxes: tuple[float, float, float, float]) -> Detections:
    count = len(boxes)
    return Detections(np.array(boxes, np.float32).reshape(count, 4), np.full(count, 0.9, np.float32))


def test_frames_lie_in_the_middle_of_equal_segments() -> None:
    # 64 frames, all read: segments of 8, middles 3.5, 11.5, …; of two frames as near the earlier is taken.
    assert middle_frames(ResamplePlan.linear(64, 64), 8).tolist() == [3, 11, 19, 27, 35, 43, 51, 59]
    # 9 frames in 3 segments: 1, 4, 7.
    assert middle_frames(ResamplePlan.linear(9, 9), 3).tolist() == [1, 4, 7]
    # Fewer frames than segments: some twice.
    assert middle_frames(ResamplePlan.linear(2, 64), 4).tolist() == [0, 0, 1, 1]
    # 300 frames, 4 steps: the steps read 37, 38, 112, 113, …; the middles of two halves are 74.5 and 224.5.
    plan = ResamplePlan.linear(300, 4)
    assert plan.frames[middle_frames(plan, 2)].tolist() == [37, 187]


@given(source=st.integers(1, 400), steps=st.integers(1, 80), count=st.integers(1, 32))
def test_chosen_frames_are_read_ones_near_their_middles(source: int, steps: int, count: int) -> None:
    plan = ResamplePlan.linear(source, steps)
    places = middle_frames(plan, count)
    assert places.shape == (count,)
    assert (np.diff(places) >= 0).all()
    middles = (np.arange(count) + 0.5) * source / count - 0.5
    away = np.abs(plan.frames[places] - middles)
    every = np.abs(plan.frames[:, None] - middles).min(0)
    np.testing.assert_array_equal(away, every)
    assert away.max() <= max(source / (2 * steps), 0.5) + 1  # never further than half a step, and a frame


def test_the_box_is_the_union_of_the_slots() -> None:
    plan = ResamplePlan.linear(4, 4)
    found = [people((10, 20, 30, 80), (50, 10, 60, 70), (0, 0, 5, 5))] * 4
    chosen = np.array([[0, 0, 1, 1], [1, 1, 0, 2], [-1, -1, -1, -1]])
    boxes = persons_boxes(found, chosen, plan, np.array([0, 2, 3, 3]))
    both = [10, 10, 60, 80]
    np.testing.assert_array_equal(boxes, [both, both, [0, 0, 60, 70], [0, 0, 60, 70]])


def test_who_is_not_seen_is_taken_from_the_nearest_frame() -> None:
    plan = ResamplePlan.linear(5, 5)
    none = Detections.none()
    found = [none, people((0, 0, 10, 10)), none, people((20, 20, 40, 40), (90, 90, 99, 99)), none]
    alone = persons_boxes(found, np.array([[-1, 0, -1, 0, -1]]), plan, np.arange(5))
    assert alone[:, 0].tolist() == [0, 0, 0, 20, 20]  # the middle one: two as near, the earlier
    # A second person, seen in one frame only, does not come and go.
    two = persons_boxes(found, np.array([[-1, 0, -1, 0, -1], [-1, -1, -1, 1, -1]]), plan, np.arange(5))
    assert two[:, 0].tolist() == [0, 0, 0, 20, 20]
    assert two[:, 2].tolist() == [99] * 5


def test_nearest_is_counted_in_frames_not_in_reads() -> None:
    plan = ResamplePlan.linear(40, 3)
    assert plan.frames.tolist() == [6, 7, 19, 20, 32, 33]
    found = [Detections.none(), people((0, 0, 10, 10)), Detections.none(), people((20, 20, 40, 40))] * 2
    boxes = persons_boxes(found[:6], np.array([[-1, 0, -1, 0, -1, -1]]), plan, np.array([2]))
    assert boxes[0, 0] == 20  # 20 is next to 19; 7 is the read before it, but twelve frames away


def test_shrinking_averages_over_the_box() -> None:
    # The box 64..192 x 40..168 is square: each crop pixel is the mean of 4 x 4 pixels.
    crop = crop_square(ramp(), np.array([64, 40, 192, 168]), crop_px=32)
    centres = 4 * np.arange(32) + 1.5
    np.testing.assert_allclose(crop[..., 0], np.broadcast_to(64 + centres, (32, 32)), atol=0.5)
    np.testing.assert_allclose(crop[..., 1], np.broadcast_to(40 + centres[:, None], (32, 32)), atol=0.5)


def test_enlarging_follows_the_ramp() -> None:
    crop = crop_square(ramp(), np.array([100, 60, 116, 76]), crop_px=64)  # 16 px on 64
    inner = slice(8, -8)  # the outermost pixels have no neighbours beyond the crop
    wanted = 100 + (np.arange(64) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(crop[32, inner, 0], wanted[inner], atol=1)
    np.testing.assert_allclose(crop[inner, 32, 1], wanted[inner] - 40, atol=1)


def test_a_tall_box_takes_in_what_lies_beside_it() -> None:
    # 40 wide, 120 high: the square is 60..180 across, nothing is stretched.
    crop = crop_square(ramp(), np.array([100, 30, 140, 150]), crop_px=120)
    np.testing.assert_array_equal(crop[50, :, 0], 60 + np.arange(120))
    np.testing.assert_array_equal(crop[:, 50, 1], 30 + np.arange(120))


def test_outside_of_the_frame_is_grey() -> None:
    crop = crop_square(ramp(), np.array([0, 0, 20, 200]), crop_px=200)  # the square begins 90 px left of it
    np.testing.assert_array_equal(crop[:, :90], np.broadcast_to(GREY, (200, 90, 3)))
    np.testing.assert_array_equal(crop[7, 90:, 0], np.arange(110))


@pytest.mark.parametrize(
    "box", [(-500, -500, 9000, 9000), (300, 50, 400, 90), (-50, 20, -10, 40), (5, 5, 5.1, 5.1)]
)
def test_any_box_gives_a_crop_of_bounded_size(box: tuple[float, ...]) -> None:
    assert crop_square(ramp(), np.array(box), crop_px=32).shape == (32, 32, 3)


def test_large_frames_are_kept_smaller_and_cut_at_the_same_place() -> None:
    large = np.zeros((2160, 3840, 3), np.uint8)
    large[..., 0] = np.arange(3840) // 15
    plan = ResamplePlan.linear(6, 6)
    keeper = FrameKeeper(plan, 2)
    for place in range(6):
        keeper.offer(place, large)
    assert {frame.shape for frame in keeper._kept.values()} == {(1080, 1920, 3)}
    assert len(keeper._kept) == 2
    found = [people((1000, 400, 1960, 1360))] * 6
    crops = keeper.crop(found, np.zeros((1, 6), np.int64), width_px=3840, crop_px=64)
    np.testing.assert_allclose(crops[0, 30, :, 0], (1000 + 15 * np.arange(64) + 7) / 15, atol=1.1)
    assert not keeper._kept  # they are let go


# Through the engine, with real video files.

OPTIONS = EngineOptions(persons=2, steps=8, frame_batch=4, person_batch=6)


class MeanColours:
    """An encoder that answers with the mean colour of each crop, and notes its batches."""

    array, frames, crop_px, width, weights_sha256 = "rgb", 3, 16, 3, ""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, crops: np.ndarray) -> np.ndarray:
        assert crops.shape[1:] == (3, 16, 16, 3)
        self.batches.append(len(crops))
        return crops.mean((2, 3), dtype=np.float32)


def walker(count: int, *, level: int = 250, hidden: range = range(0)) -> list[np.ndarray]:
    """A square of one grey level, 32 px, that walks 2 px a frame over black."""
    frames = []
    for step in range(count):
        frame = np.zeros((96, 160, 3), np.uint8)
        if step not in hidden:
            frame[32:64, 2 * step : 2 * step + 32] = level
        frames.append(frame)
    return frames


def extract(*paths: Path, rgb: object, options: EngineOptions = OPTIONS, detector=None) -> list[Outcome]:  # type: ignore[no-untyped-def]
    estimator = TopDown(detector or BrightDetector(), AnalyticBackbone(), device="cpu")
    jobs = [ClipJob(at, path) for at, path in enumerate(paths)]
    return extract_clips(jobs, options, estimator=estimator, rgb=rgb)  # type: ignore[arg-type]


def rgb_of(outcome: Outcome) -> np.ndarray:
    assert outcome.features is not None
    assert outcome.features.rgb is not None
    return outcome.features.rgb


def test_crops_follow_the_person(make_video: VideoMaker) -> None:
    detector = BrightDetector()
    outcome = extract(make_video(walker(50)), rgb=MeanColours(), detector=detector)[0]
    assert (rgb_of(outcome) > 235).all()  # the square fills its crop wherever it is
    assert sum(detector.calls) == 16  # two a step: RGB looks at no frame of its own


def test_batches_are_filled_across_clips_and_change_nothing(make_video: VideoMaker) -> None:
    paths = [make_video(walker(9 + at, level=250 - 20 * at), f"{at}.mp4") for at in range(5)]
    wanted = None
    for person_batch, batches in ((1, [1] * 5), (6, [2, 2, 1]), (64, [5])):
        encoder = MeanColours()
        options = EngineOptions(persons=2, steps=8, frame_batch=4, person_batch=person_batch)
        got = [rgb_of(outcome) for outcome in extract(*paths, rgb=encoder, options=options)]
        assert encoder.batches == batches
        wanted = wanted or got
        np.testing.assert_array_equal(got, wanted)
    levels = [each.mean() for each in wanted or []]
    assert levels == sorted(levels, reverse=True)  # each clip got its own


class TwoColours(FrameDetector):
    """A red person and a blue one, 20 px wide each."""

    def detect(self, frames: list[Frame]) -> list[Detections]:
        return [self._one(frame.rgb.astype(int)) for frame in frames]

    def _one(self, rgb: np.ndarray) -> Detections:
        boxes = []
        for strong, weak in ((0, 2), (2, 0)):
            rows, columns = np.nonzero(rgb[..., strong] - rgb[..., weak] > 100)
            if len(rows):
                boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        return people(*boxes)


def test_two_people_share_a_crop(make_video: VideoMaker) -> None:
    frame = np.zeros((96, 160, 3), np.uint8)
    frame[20:80, 30:50] = (220, 20, 20)
    frame[20:80, 70:90] = (20, 20, 220)
    outcome = extract(make_video([frame] * 12), rgb=CropFiles(3, crop_px=60), detector=TwoColours())[0]
    assert outcome.features is not None
    assert outcome.features.rgb_jpeg is not None
    crops = unpack_jpegs(outcome.features.rgb_jpeg).astype(int)
    assert crops.shape == (3, 60, 60, 3)
    # The union is 30..90 x 20..80: red its left third, blue its right third, black between.
    assert (crops[:, 10:50, 4:16, 0] > 180).all()
    assert (crops[:, 10:50, 44:56, 2] > 180).all()
    assert (crops[:, 10:50, 26:34].max(-1) < 60).all()


def test_a_missed_frame_is_cut_where_the_person_was(make_video: VideoMaker) -> None:
    # 9 frames, all read; the middle frame of the three, number 4, shows nobody.
    options = EngineOptions(persons=1, steps=9, frame_batch=4, person_batch=6)
    values = rgb_of(extract(make_video(walker(9, hidden=range(4, 5))), rgb=MeanColours(), options=options)[0])
    assert (values[[0, 2]] > 235).all()
    assert (values[1] < 20).all()  # the black place itself, not a copy of another frame


def test_clips_without_people_or_frames_have_no_rgb(make_video: VideoMaker, tmp_path: Path) -> None:
    dark = make_video(walker(9, level=30), "dark.mp4")
    good = make_video(walker(9), "good.mp4")
    encoder = MeanColours()
    outcomes = extract(dark, tmp_path / "nowhere.mp4", good, rgb=encoder)
    assert [each.result.status for each in outcomes] == [Status.NO_PERSON, Status.FAILED, Status.OK]
    assert outcomes[0].features is None
    assert encoder.batches == [1]


def test_without_an_encoder_there_is_no_rgb(make_video: VideoMaker) -> None:
    features = extract(make_video(walker(9)), rgb=None)[0].features
    assert features is not None
    assert features.rgb is None
    assert features.rgb_jpeg is None
