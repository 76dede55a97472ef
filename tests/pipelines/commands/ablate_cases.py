"""A store in which one array, and of two taps the first, carries the class; all the rest is noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heatpool.pipelines.cli import main
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Split, Status
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.writer import StoreWriter

CLIPS, STEPS = 240, 4
PARTS = (Split.TRAIN, Split.TEST, Split.VAL, Split.TEST)


def make_store(
    path: Path,
    *,
    carrier: str = "pooled",
    map_mean: bool = True,
    taps: tuple[int, ...] = (2, 3),
    labelled: bool = True,
    shared_subject: bool = False,
    rgb: RgbSpec | None = None,
) -> Path:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(CLIPS) // 4 % 2).astype(np.int32)
    parts = np.array([PARTS[clip % 4] for clip in range(CLIPS)], np.uint8)
    index = ClipIndex(
        clip_id=tuple(f"clip {clip}" for clip in range(CLIPS)),
        path=tuple(f"{clip}.mp4" for clip in range(CLIPS)),
        label=labels if labelled else np.full(CLIPS, -1, np.int32),
        class_names=("sit", "stand") if labelled else (),
        columns={
            "subject": tuple("p0" if shared_subject else f"p{clip % 4}{clip // 80}" for clip in range(CLIPS))
        },
        splits={"xsub": parts},
        disjoint={"xsub": "subject"},
    )
    channels = sum(taps) or 5
    spec = StoreSpec(
        2, STEPS, 17, channels, "tiny", "+".join("ab"[: len(taps)]) or "a", "ab" * 32, {},
        tap_channels=taps, map_mean=map_mean, rgb=rgb,
    )  # fmt: skip

    def clip(row: int) -> ClipFeatures:
        shapes = {"pooled": (17, channels), "keypoints": (17, 3), "map_mean": (channels,)}
        arrays = {
            name: rng.normal(0, 1, (2, STEPS, *shape)).astype(np.float32) for name, shape in shapes.items()
        }
        embeddings = rng.normal(0, 1, (rgb.frames, rgb.width)).astype(np.float32) if rgb else None
        carried = embeddings if embeddings is not None and carrier == "rgb" else arrays[carrier]
        carried[..., :2] += 4 * labels[row]
        if embeddings is not None:
            embeddings *= row != 1  # a test clip
        mask = np.array([[True] * STEPS, [False] * STEPS])
        for values in arrays.values():
            values[1] = 0
        boxes = np.zeros((2, STEPS, 4), np.float32)
        if not map_mean:
            del arrays["map_mean"]
        time_s = np.arange(STEPS, dtype=np.float32)
        return ClipFeatures(**arrays, boxes=boxes, mask=mask, time_s=time_s, rgb=embeddings)

    with StoreWriter.create(path, spec=spec, index=index, shard_clips=CLIPS) as writer:
        result = ClipResult(Status.OK, STEPS, 25.0, 64, 48, 1)
        writer.write_shard(0, [clip(row) for row in range(CLIPS)], [result] * CLIPS)
        writer.finish()
    return path


def ablate(store: Path, out: Path, *more: str) -> int:
    """Run the command: two seeds, few epochs."""
    options = [
        "--seeds",
        "2",
        "--epochs",
        "4",
        "--batch-size",
        "16",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--quiet",
    ]
    return main(["ablate", str(store), "--out", str(out), *options, *more])
