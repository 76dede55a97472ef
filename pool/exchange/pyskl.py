"""PYSKL's annotation files: a pickle of 2-D keypoints with labels and splits, read without running it.

Format: https://github.com/kennymckormick/pyskl/blob/main/tools/data/README.md, `{"split": {name: ids},
"annotations": [{"frame_dir", "label", "img_shape", "total_frames", "keypoint" (M, T, V, 2) in pixels,
"keypoint_score" (M, T, V)}]}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.derive.build import OnClips, make_features, new_store
from heatpool.pool.disk.atomic import atomic_file, refuse_existing
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.plain_pickle import dump_plain_pickle, load_plain_pickle, plain_array
from heatpool.pool.records import ClipIndex, ClipResult, Precision, Split, Status, StoreSpec
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.skeleton import guess_skeleton
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.reader import FeatureStore

__all__ = ["export_pyskl", "import_pyskl"]


@dataclass(frozen=True, eq=False)
class _Annotation:
    """One clip of the file: keypoint (M, T, V, 2) in pixels, score (M, T, V), frame (height, width)."""

    name: str
    label: int
    size_px: tuple[int, int]
    keypoint: np.ndarray
    score: np.ndarray


def export_pyskl(
    store: FeatureStore, out: str | Path, *, overwrite: bool = False, on_clips: OnClips = lambda count: None
) -> int:
    """Write the keypoints of the usable clips as a PYSKL pickle: T steps as frames, persons that are there.

    Returns:
        Clips written.

    Raises:
        HeatpoolError: if `out` exists, a clip's frame size is unknown, or the disk refuses.
    """
    refuse_existing(out, overwrite)
    held = store.attributes["config"].get("arrays")
    if held is not None and "keypoints" not in held:
        raise HeatpoolError(f"{store.source.name}: expected keypoints, got {', '.join(held)} only")
    usable = store.clips.rows()
    index = store.clips.index_of(usable)
    place = {row: number for number, row in enumerate(usable.tolist())}
    width_px, height_px = store.clips.width_px, store.clips.height_px
    annotations: list[dict[str, Any]] = []
    for rows, arrays in store.iter_shards(("keypoints", "mask")):
        for keypoints, mask, row in zip(arrays["keypoints"], arrays["mask"], rows.tolist(), strict=True):
            if row not in place:
                continue
            number, size = place[row], (int(height_px[row]), int(width_px[row]))
            if min(size) < 1:
                raise HeatpoolError(f"clip {index.clip_id[number]!r}: expected a known frame size, got none")
            annotations.append(
                _annotate(keypoints[mask.any(1)], size, index.clip_id[number], int(index.label[number]))
            )
        on_clips(len(rows))
    content = {"split": _split_lists(index), "annotations": annotations}
    with atomic_file(out, overwrite) as aside:
        dump_plain_pickle(content, aside)
    return len(usable)


def _annotate(keypoints: np.ndarray, size_px: tuple[int, int], name: str, label: int) -> dict[str, Any]:
    values = keypoints.astype(np.float64)
    scale = np.array([size_px[1], size_px[0]]) / 2
    return {
        "frame_dir": name,
        "label": label,
        "img_shape": size_px,
        "original_shape": size_px,
        "total_frames": keypoints.shape[1],
        "keypoint": ((values[..., :2] + 1) * scale).astype(np.float32),
        "keypoint_score": values[..., 2].astype(np.float16),
    }


def _split_lists(index: ClipIndex) -> dict[str, list[str]]:
    lists = {}
    for protocol, splits in index.splits.items():
        for split in (Split.TRAIN, Split.VAL, Split.TEST):
            if (splits == split).any():
                chosen = np.flatnonzero(splits == split).tolist()
                lists[f"{protocol}_{split.name.lower()}"] = [index.clip_id[row] for row in chosen]
    return lists


def import_pyskl(
    path: str | Path,
    out: str | Path,
    *,
    steps: int = 64,
    persons: int = 2,
    class_names: Sequence[str] = (),
    shard_clips: int = 64,
    precision: Precision = "f2",
    licence: str = "",
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make a store of keypoints from a PYSKL pickle. It has no pooled features.

    Clips are resampled to `steps`; of more persons, the `persons` with the highest scores stay. PYSKL
    reports on its split `val`: a protocol without a split `test` gets it as `test`.

    Args:
        path: pickle file.
        out: store to make.
        steps: T.
        persons: M, most person slots.
        class_names: in label order; without them classes are called `class 0`, ….
        shard_clips: clips per shard.
        precision: of the store.
        licence: of the data.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if the file wants to run anything, or its content is not as described.
    """
    name = str(path)
    content = load_plain_pickle(path)
    if not isinstance(content, dict) or not {"split", "annotations"} <= set(content):
        raise HeatpoolError(f"{name}: expected a PYSKL file with split and annotations, got other content")
    try:
        clips = [_parse(each) for each in content["annotations"]]
        index = _index(clips, content["split"], tuple(class_names))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise HeatpoolError(f"{name}: expected PYSKL annotations, got {error}") from error
    if not clips:
        raise HeatpoolError(f"{name}: expected annotations, got none")
    joints = clips[0].keypoint.shape[2]
    skeleton = guess_skeleton(joints, index.clip_id)
    spec = StoreSpec(
        persons=persons, steps=steps, joints=joints, channels=1,
        skeleton=skeleton.name, joint_names=skeleton.joint_names, edges=skeleton.edges,
        backbone="none", tap="none", weights_sha256="",
        config={"imported_from": "PYSKL pickle", "arrays": ["keypoints"]},
        licence=licence, precision=precision,
    )  # fmt: skip
    with new_store(out, spec=spec, index=index, shard_clips=shard_clips, overwrite=overwrite) as writer:
        for shard in range(writer.layout.shards):
            rows = writer.layout.rows(shard)
            of_shard = clips[rows.start : rows.stop]
            arrays = _as_arrays(writer.layout, of_shard)
            results = [
                ClipResult(
                    Status.OK if mask.any() else Status.NO_PERSON,
                    frames=clip.keypoint.shape[1],
                    height_px=clip.size_px[0],
                    width_px=clip.size_px[1],
                    persons=int(mask.any(1).sum()),
                )
                for clip, mask in zip(of_shard, arrays["mask"], strict=True)
            ]
            names = [clip.name for clip in of_shard]
            writer.write_shard(shard, make_features(writer.layout, arrays, results, names=names), results)
            on_clips(len(rows))


def _parse(entry: Any) -> _Annotation:
    name, label = entry["frame_dir"], int(entry.get("label", -1))
    keypoint = plain_array(entry["keypoint"]).astype(np.float64)
    if not isinstance(name, str) or keypoint.ndim != 4 or keypoint.shape[-1] != 2 or 0 in keypoint.shape[1:]:
        raise ValueError(f"keypoints {keypoint.shape} instead of (M, T, V, 2) for clip {str(name)[:60]!r}")
    shape = keypoint.shape[:3]
    score = (
        plain_array(entry["keypoint_score"]).astype(np.float64)
        if "keypoint_score" in entry
        else np.ones(shape)
    )
    height, width = (int(value) for value in plain_array(entry["img_shape"]).tolist())
    if score.shape != shape or min(height, width) < 1:
        raise ValueError(f"scores {score.shape} and frame {height} x {width} for clip {name[:60]!r}")
    return _Annotation(name, label, (height, width), keypoint, score.clip(0, 1))


def _index(clips: Sequence[_Annotation], split: Mapping[str, Any], class_names: tuple[str, ...]) -> ClipIndex:
    row = {clip.name: number for number, clip in enumerate(clips)}
    label = np.array([clip.label for clip in clips], np.int32)
    if not class_names:
        class_names = tuple(f"class {number}" for number in range(int(label.max(initial=-1)) + 1))
    splits: dict[str, np.ndarray] = {}
    for key, names in split.items():
        protocol, _, word = str(key).rpartition("_")
        protocol = protocol or "split"
        last = word == "val" and f"{str(key)[:-3]}test" not in split
        of_split = Split.TEST if last else Split[word.upper()]
        of_protocol = splits.setdefault(protocol, np.zeros(len(clips), np.uint8))
        of_protocol[[row[name] for name in names if name in row]] = of_split
    return ClipIndex(tuple(row), tuple(row), label, class_names, splits=splits)


def _as_arrays(layout: Layout, clips: Sequence[_Annotation]) -> dict[str, np.ndarray]:
    """Feature arrays of some clips, resampled to T steps; a person is seen where a joint has a score."""
    arrays = {
        name: np.zeros((len(clips), *spec.item_shape), bool if spec.dtype == "bool" else np.float32)
        for name, spec in layout.features.items()
    }
    for number, clip in enumerate(clips):
        if clip.keypoint.shape[2] != layout.joints:
            raise HeatpoolError(
                f"clip {clip.name[:60]!r}: expected {layout.joints} joints as in the first clip, "
                f"got {clip.keypoint.shape[2]}"
            )
        plan = ResamplePlan.linear(clip.keypoint.shape[1], layout.steps)
        scale = 2 / np.array([clip.size_px[1], clip.size_px[0]])
        values = np.concatenate([clip.keypoint * scale - 1, clip.score[..., None]], -1)[:, plan.frames]
        best = np.argsort(-clip.score.sum((1, 2)), kind="stable")[: layout.persons]
        for slot, person in enumerate(np.sort(best)):
            seen = np.asarray((values[person, ..., 2] > 0).any(-1))
            arrays["keypoints"][number, slot] = plan.apply_seen(values[person], seen)
            arrays["mask"][number, slot] = plan.seen_steps(seen)
    return arrays
