"""A small store whose two classes differ in their motion, and runs on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pipelines.cli import main
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Split, Status
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

STEPS, CHANNELS, CLIPS = 16, 6, 36


def rising(row: int) -> bool:
    return row % 2 == 0


def clip(row: int) -> ClipFeatures:
    """A person whose features and wrists rise in class 0 and fall in class 1, with noise of its own."""
    rng = np.random.default_rng(row)
    ramp = np.linspace(-1, 1, STEPS, dtype=np.float32) * (1 if rising(row) else -1)
    pooled = rng.normal(0, 0.3, (2, STEPS, 17, CHANNELS)).astype(np.float32)
    pooled[0] += ramp[:, None, None]
    keypoints = rng.normal(0, 0.05, (2, STEPS, 17, 3)).astype(np.float32)
    keypoints[0, :, :, 1] += np.linspace(-0.5, 0.5, 17)
    keypoints[0, :, 9:11, 1] += ramp[:, None]
    keypoints[..., 2] = 0.9
    mask = np.array([[True] * STEPS, [False] * STEPS])
    pooled[1], keypoints[1] = 0, 0
    boxes = np.zeros((2, STEPS, 4), np.float32)
    boxes[0] = [0.3, 0.1, 0.6, 0.9]
    return ClipFeatures(pooled, keypoints, boxes, mask, np.arange(STEPS, dtype=np.float32) / 25)


def make_store(
    path: Path,
    *,
    labelled: bool = True,
    protocols: tuple[str, ...] = ("xsub",),
    joints: int = 17,
    channels: int = CHANNELS,
    shard_clips: int = CLIPS,
    **spec: Any,
) -> Path:
    """A store of the clips, of their first joints and channels."""
    parts = [(Split.TRAIN, Split.TRAIN, Split.VAL, Split.TEST)[(row // 2) % 4] for row in range(CLIPS)]
    labels = [0 if rising(row) else 1 for row in range(CLIPS)] if labelled else [-1] * CLIPS
    index = ClipIndex(
        clip_id=tuple(f"clip {row}" for row in range(CLIPS)),
        path=tuple(f"{row}.mp4" for row in range(CLIPS)),
        label=np.array(labels, np.int32),
        class_names=("rise", "fall") if labelled else (),
        columns={
            "subject": tuple(f"p{(row // 2) % 4 * 2 + row // 8 % 2}" for row in range(CLIPS)),
            "camera": tuple(f"c{row % 3}" for row in range(CLIPS)),
        },
        splits={name: np.array(parts, np.uint8) for name in protocols},
    )
    about = StoreSpec(2, STEPS, joints, channels, "tiny", "tap", "ab" * 32, {}, **spec)
    writer = StoreWriter.create(path, spec=about, index=index, shard_clips=shard_clips)
    clips = [
        replace(each, pooled=each.pooled[:, :, :joints, :channels], keypoints=each.keypoints[:, :, :joints])
        for each in map(clip, range(CLIPS))
    ]
    for shard in writer.pending_shards():
        rows = writer.shard_rows(shard)
        done = [ClipResult(Status.OK, STEPS, 25.0, 64, 48, 1)] * len(rows)
        writer.write_shard(shard, [clips[row] for row in rows], done)
    writer.finish()
    return path


def train(store: Path, out: Path, *more: str) -> int:
    return main(
        ["train", "--features", str(store), "--out", str(out), "--device", "cpu", "--threads", "1", *more]
    )
