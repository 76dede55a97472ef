"""Small stores for the tests: values that follow from row, person, step, joint and channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Split, Status
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.verify import Check
from heatpool.pool.store.writer import StoreWriter


def make_spec(persons: int = 2, steps: int = 4, joints: int = 3, channels: int = 5, **changes) -> StoreSpec:
    values = {
        "persons": persons, "steps": steps, "joints": joints, "channels": channels,
        "backbone": "tiny", "tap": "stage2", "weights_sha256": "ab" * 32,
        "config": {"detector": {"name": "full-frame"}, "seed": 1},
        "licence": "CC BY 4.0", "citation": "Someone 2025", "source": "drawn for this test",
    }  # fmt: skip
    return StoreSpec(**(values | changes))


def make_index(clips: int) -> ClipIndex:
    number = np.arange(clips)
    return ClipIndex(
        clip_id=tuple(f"clip_{i:04d}" for i in number),
        path=tuple(f"videos/clip_{i:04d}.mp4" for i in number),
        label=(number % 4 - 1).astype(np.int32),
        class_names=("wave", "sit down", "stand up"),
        columns={"subject": tuple(("", "s1", "s2")[i % 3] for i in number), "camera": ("c1",) * clips},
        splits={"xsub": (number % 4).astype(np.uint8), "xview": np.full(clips, Split.TRAIN, np.uint8)},
    )


def make_features(spec: StoreSpec, row: int, persons: int) -> ClipFeatures:
    """Features of clip `row`: every pooled value is its own sum of coordinates, exact in float16."""
    m, t, v, c = (
        np.arange(n, dtype=np.float32) for n in (spec.persons, spec.steps, spec.joints, spec.channels)
    )
    present = (m < persons).astype(np.float32)
    sums = np.add.outer(np.add.outer(np.add.outer(10 * m + row % 32, t), v / 4), c / 8) + 1
    keypoints = np.stack([sums[..., 0] / 64, -sums[..., 0] / 64, np.ones(sums.shape[:3])], -1)
    boxes = np.broadcast_to(np.float32([0.25, 0.125, 0.75, 1.0]), (spec.persons, spec.steps, 4))
    mask = np.broadcast_to(present[:, None] > 0, (spec.persons, spec.steps)).copy()
    return ClipFeatures(
        pooled=(sums * present[:, None, None, None]).astype(np.float32),
        keypoints=(keypoints * present[:, None, None, None]).astype(np.float32),
        boxes=(boxes * present[:, None, None]).astype(np.float32),
        mask=mask,
        time_s=(t / 25 + row).astype(np.float32),
        map_mean=(sums.mean(2) * present[:, None, None]).astype(np.float32) if spec.map_mean else None,
    )


def persons_of(row: int, spec: StoreSpec) -> int:
    """Persons of clip `row` in the test stores: at least one, never more than there are slots."""
    return 1 + row % spec.persons


def make_clip(spec: StoreSpec, row: int) -> tuple[ClipFeatures | None, ClipResult]:
    """Features and outcome of clip `row`; every fifth clip failed, every seventh is truncated."""
    if row % 5 == 4:
        return None, ClipResult(Status.FAILED, reason=f"row {row}: no video stream")
    status = Status.TRUNCATED if row % 7 == 6 else Status.OK
    persons = persons_of(row, spec)
    message = "ends early" if status == Status.TRUNCATED else ""
    result = ClipResult(status, 100 + row, 29.97, 640, 480, persons, message)
    return make_features(spec, row, persons), result


def write_pending(
    writer: StoreWriter, spec: StoreSpec, *, limit: int | None = None, check: Check = "sizes"
) -> None:
    for shard in writer.pending_shards(check=check)[:limit]:
        clips = [make_clip(spec, row) for row in writer.shard_rows(shard)]
        writer.write_shard(shard, [clip[0] for clip in clips], [clip[1] for clip in clips])


def make_store(
    path: Path, *, clips: int = 11, shard_clips: int = 4, spec: StoreSpec | None = None
) -> StoreWriter:
    """A finished store of `clips` clips."""
    spec = spec or make_spec()
    writer = StoreWriter.create(path, spec=spec, index=make_index(clips), shard_clips=shard_clips)
    write_pending(writer, spec)
    writer.finish()
    return writer


def tree_bytes(path: Path) -> dict[str, bytes]:
    """Every file below `path` by relative name."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
