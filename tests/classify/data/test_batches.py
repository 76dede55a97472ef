from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.classify.data.batches import batches, clip_batch, load_clips, sample_time
from heatpool.classify.data.clips import ChannelStats, ClipSet, channel_stats
from heatpool.classify.data.splits import split_rows
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Split, Status
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

STEPS, JOINTS, CHANNELS = 4, 17, 3


def make_store(path: Path, *, labels: list[int], parts: list[int], two: tuple[int, ...] = ()) -> FeatureStore:
    """A store whose pooled value is 10 * clip + slot + 1 and whose joint v lies at (v, 2 v) / 100."""
    count = len(labels)
    index = ClipIndex(
        clip_id=tuple(f"clip{number}" for number in range(count)),
        path=("a.mp4",) * count,
        label=np.array(labels, np.int32),
        class_names=("sit", "stand"),
        splits={"xsub": np.array(parts, np.uint8)},
    )
    spec = StoreSpec(2, STEPS, JOINTS, CHANNELS, "analytic", "x", "", {})
    writer = StoreWriter.create(path, spec=spec, index=index, shard_clips=2)
    for shard in range(-(-count // 2)):
        features, results = [], []
        for clip in writer.shard_rows(shard):
            mask = np.zeros((2, STEPS), np.bool_)
            mask[: 2 if clip in two else 1, 1:] = True  # nobody is seen at step 0
            pooled = (10 * clip + 1 + np.arange(2, dtype=np.float32))[:, None, None, None]
            points = np.stack([np.arange(17) / 100, np.arange(17) / 50, np.ones(17)], 1).astype(np.float32)
            seen = mask[:, :, None, None]
            features.append(
                ClipFeatures(
                    pooled=np.float32(pooled * seen * np.ones((JOINTS, CHANNELS), np.float32)),
                    keypoints=np.float32(points * seen),
                    boxes=np.zeros((2, STEPS, 4), np.float32),
                    mask=mask,
                    time_s=np.arange(STEPS, dtype=np.float32),
                )
            )
            results.append(ClipResult(Status.OK, 9, 25.0, 200, 100, int(mask.any(1).sum())))
        writer.write_shard(shard, features, results)
    writer.finish()
    return FeatureStore.open(path)


def test_load_clips_packs_persons_in_the_asked_order(tmp_path: Path) -> None:
    store = make_store(tmp_path / "s.zarr", labels=[0, 1, 0, 1, 1], parts=[1] * 5, two=(1, 4))
    clips = load_clips(store, np.array([4, 0, 1]))
    assert clips.clip_ids == ("clip4", "clip0", "clip1")
    assert clips.labels.tolist() == [1, 0, 1]
    assert clips.clip_of_person.tolist() == [0, 0, 1, 2, 2]
    assert clips.slot.tolist() == [0, 1, 0, 0, 1]
    assert clips.features[:, 1, 0, 0].tolist() == [41, 42, 1, 11, 12]
    assert clips.features[:, 0].abs().max() == 0
    assert clips.mask.tolist() == [[False, True, True, True]] * 5
    assert clips.source["tap"] == "x"


def test_keypoints_come_as_they_are_stored(tmp_path: Path) -> None:
    store = make_store(tmp_path / "s.zarr", labels=[0], parts=[1])
    clips = load_clips(store, np.arange(1), input="keypoints")
    expected = torch.tensor([0.05, 0.1, 1])
    torch.testing.assert_close(clips.features[0, 1, 5].float(), expected, atol=1e-4, rtol=0)
    assert clips.features[0, 0].abs().max() == 0  # nobody is seen at step 0
    assert clips.source["keypoints_frame"] == "image"  # what checkpoints of older builds ask for


def test_split_rows_and_its_refusals(tmp_path: Path) -> None:
    good = make_store(tmp_path / "a.zarr", labels=[0, 1, 0, 1], parts=[1, 2, 3, 1])
    assert {name: rows.tolist() for name, rows in split_rows(good, "xsub").items()} == {
        "train": [0, 3],
        "val": [1],
        "test": [2],
    }
    with pytest.raises(HeatpoolError, match="xsub"):
        split_rows(good, "xview")
    empty = make_store(tmp_path / "b.zarr", labels=[0, 1], parts=[Split.TRAIN, Split.TEST])
    with pytest.raises(HeatpoolError, match="xsub has no labelled val clip with features: .*--folds 5"):
        split_rows(empty, "xsub")
    unlabelled = make_store(tmp_path / "c.zarr", labels=[0, -1, -1, -1], parts=[1, 1, 3, 2])
    with pytest.raises(HeatpoolError, match="xsub has no labelled val and no test clip"):
        split_rows(unlabelled, "xsub")


def ramp_clips() -> ClipSet:
    """Two clips; every value of a step is the step's number; the first has two persons."""
    values = torch.arange(10.0).view(1, 10, 1, 1).expand(3, 10, 17, 2).half()
    return ClipSet(
        clip_ids=("a", "b"),
        labels=torch.tensor([0, 1]),
        class_names=("x", "y"),
        features=values,
        mask=torch.ones(3, 10, dtype=torch.bool),
        clip_of_person=torch.tensor([0, 0, 1]),
        slot=torch.tensor([0, 1, 0]),
        persons=2,
        input="pooled",
    )


def test_the_test_crop_is_central() -> None:
    batch = clip_batch(ramp_clips(), torch.tensor([1]), window=5, stats=None)
    # 0.95 of 10 steps from 0.25 on: five bins of 1.9 steps, their centres minus half a step
    expected = 0.25 + 1.9 * (torch.arange(5) + 0.5) - 0.5
    torch.testing.assert_close(batch.x[0, :, 3, 1], expected, atol=1e-3, rtol=0)


def test_training_crops_stay_in_range_and_are_shared_by_the_persons_of_a_clip() -> None:
    clips = ramp_clips()
    generator = torch.Generator().manual_seed(0)
    spans = []
    for _ in range(50):
        batch = clip_batch(clips, torch.tensor([0, 1]), window=10, stats=None, generator=generator)
        assert torch.equal(batch.x[0], batch.x[1])
        assert not torch.equal(batch.x[0], batch.x[2])
        track = batch.x[0, :, 0, 0]
        assert 0 <= track.min() <= track.max() <= 9
        assert (track.diff() > 0).all()
        spans.append(float(track.diff()[3:6].mean()))  # length of the crop / window
    assert 0.49 < min(spans) < 0.6
    assert 0.9 < max(spans) < 1.01


def test_normalisation_uses_seen_steps_only_and_leaves_unseen_ones_zero() -> None:
    clips = ramp_clips()
    mask = clips.mask.clone()
    mask[:, :5] = False
    hidden = ClipSet(
        **{**vars(clips), "mask": mask, "features": clips.features * mask[:, :, None, None]},
    )
    stats = channel_stats(hidden)
    torch.testing.assert_close(stats.mean, torch.full((2,), 7.0))
    torch.testing.assert_close(stats.std, torch.full((2,), 2.0**0.5))
    x = clip_batch(hidden, torch.tensor([1]), window=10, stats=stats).x[0, :, 0, 0]
    assert x[:4].abs().max() == 0
    torch.testing.assert_close(x[-1], torch.tensor((8.775 - 7) / 2**0.5), atol=1e-3, rtol=0)


def test_training_noise_of_either_kind() -> None:
    clips, chosen = ramp_clips(), torch.tensor([0, 1])
    still = ClipSet(**{**vars(clips), "features": torch.zeros_like(clips.features)})

    def noisy(**options: float) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return clip_batch(still, chosen, window=64, stats=None, generator=generator, **options).x

    assert noisy().abs().max() == 0
    free = noisy(noise_std=0.5)
    assert 0.45 < float(free.std()) < 0.55
    assert float(free.diff(dim=1).abs().min()) > 0
    fixed = noisy(offset_std=0.5)
    assert 0.3 < float(fixed.std()) < 0.7
    assert fixed.diff(dim=1).abs().max() == 0
    assert not torch.equal(fixed[0], fixed[1])


def test_scale_jitter_is_one_factor_per_clip() -> None:
    clips = ramp_clips()
    ones = ClipSet(**{**vars(clips), "features": torch.ones_like(clips.features)})
    generator = torch.Generator().manual_seed(0)
    options = {"window": 8, "stats": None, "generator": generator, "scale_jitter": 0.2}
    x = clip_batch(ones, torch.tensor([0, 1]), **options).x  # type: ignore[arg-type]
    factors = x[:, 0, 0, 0]
    assert torch.equal(x, factors[:, None, None, None].expand_as(x))
    assert factors[0] == factors[1] != factors[2]
    assert ((factors - 1).abs() <= 0.2).all()


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    clips = ramp_clips()
    same = ClipSet(**{**vars(clips), "features": torch.full_like(clips.features, 3.0)})
    assert channel_stats(same).std.tolist() == [1, 1]
    with pytest.raises(ValueError, match="positive std"):
        ChannelStats(mean=torch.zeros(2), std=torch.zeros(2))


def test_persons_of_any_clips_in_any_order() -> None:
    persons, owner = ramp_clips().persons_of(torch.tensor([1, 0]))
    assert persons.tolist() == [2, 0, 1]
    assert owner.tolist() == [0, 1, 1]
    assert ramp_clips().subset(np.array([1])).clip_ids == ("b",)


def test_sample_time_clamps_and_interpolates() -> None:
    values = torch.tensor([[0.0, 10.0, 30.0]])[..., None]
    out = sample_time(values, torch.tensor([[-1.0, 0.5, 1.5, 7.0]]))
    assert out.flatten().tolist() == [0, 5, 20, 30]


def test_batches_cover_everything_once_and_repeat_with_the_seed() -> None:
    runs = [
        [part.tolist() for part in batches(9, size=4, generator=torch.Generator().manual_seed(3))]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert [len(part) for part in runs[0]] == [4, 5]  # a lone last clip joins the batch before it
    assert sorted(place for part in runs[0] for place in part) == list(range(9))
    assert [part.tolist() for part in batches(3, size=2)] == [[0, 1], [2]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("features", torch.zeros(3, 10, 17, 2)),
        ("labels", torch.tensor([0, 5])),
        ("clip_ids", ("a", "a")),
        ("clip_of_person", torch.tensor([0, 0, 0])),
        ("slot", torch.tensor([0, 2, 0])),
        ("mask", torch.ones(3, 9, dtype=torch.bool)),
    ],
)
def test_clip_set_refuses_what_does_not_fit(field: str, value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        ClipSet(**{**vars(ramp_clips()), field: value})
