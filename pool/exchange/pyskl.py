"""Stores of keypoints out of PYSKL's annotation files, and back.

Format: https://github.com/kennymckormick/pyskl/blob/main/tools/data/README.md; `pyskl_file` has its layouts.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.derive.build import OnClips, make_features, new_store
from heatpool.pool.disk.atomic import atomic_file, refuse_existing
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import SPATIAL_AXES
from heatpool.pool.exchange.plain_pickle import dump_plain_pickle
from heatpool.pool.exchange.pyskl_file import PysklFile
from heatpool.pool.exchange.pyskl_splits import name_splits
from heatpool.pool.records import ClipIndex, ClipResult, Status
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.skeleton import NTU25_SKELETON, Skeleton, guess_skeleton
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import Precision, StoreSpec

__all__ = ["export_pyskl", "import_pyskl"]

_log = logging.getLogger(__name__)


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
    config = store.attributes["config"]
    held = config.get("arrays")
    if held is not None and "keypoints" not in held:
        raise HeatpoolError(f"{store.source.name}: expected keypoints, got {', '.join(held)} only")
    spatial = config.get("keypoint_axes") == SPATIAL_AXES
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
            if min(size) < 1 and not spatial:
                raise HeatpoolError(f"clip {index.clip_id[number]!r}: expected a known frame size, got none")
            label = int(index.label[number])
            annotations.append(
                {"frame_dir": index.clip_id[number], "total_frames": keypoints.shape[1]}
                | ({"label": label} if label >= 0 else {})
                | _points(keypoints[mask.any(1)], None if spatial else size)
            )
        on_clips(len(rows))
    content = {"split": name_splits(index, config.get("split_names", {})), "annotations": annotations}
    with atomic_file(out, overwrite) as aside:
        dump_plain_pickle(content, aside)
    return len(usable)


def _points(keypoints: np.ndarray, size_px: tuple[int, int] | None) -> dict[str, Any]:
    """Keypoints (M, T, V, 3) of a store as PYSKL has them; 3-D ones without a frame size."""
    if size_px is None:
        return {"keypoint": keypoints.astype(np.float32)}
    values = keypoints.astype(np.float64)
    scale = np.array(size_px[::-1]) / 2
    return {
        "img_shape": size_px,
        "original_shape": size_px,
        "keypoint": ((values[..., :2] + 1) * scale).astype(np.float32),
        "keypoint_score": values[..., 2].astype(np.float16),
    }


def import_pyskl(
    file: PysklFile,
    out: str | Path,
    *,
    index: ClipIndex,
    skeleton: Skeleton | None = None,
    steps: int = 64,
    persons: int = 2,
    shard_clips: int = 64,
    precision: Precision = "f2",
    licence: str = "",
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make a store of keypoints from a PYSKL file. It has no pooled features.

    Clips are resampled to `steps`; of more persons, the `persons` with the highest scores stay. Keypoints
    of a 3-D file are x, y, z as they are, where those of others are x, y and a score.

    Args:
        file: of `read_pyskl`.
        out: store to make.
        index: of its clips, in their order: labels and splits.
        skeleton: names and edges of the joints, which the file does not tell; None = what their number tells.
        steps: T.
        persons: M, most person slots.
        shard_clips: clips per shard.
        precision: of the store.
        licence: of the data.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if a clip cannot be stored, or `out` exists.
    """
    skeleton = skeleton or _skeleton(file)
    if skeleton.joints != file.joints:
        raise HeatpoolError(
            f"{file.source}: expected a skeleton of {file.joints} joints, got one of {skeleton.joints}"
        )
    config: dict[str, object] = {"imported_from": "PYSKL pickle", "arrays": ["keypoints"]}
    if file.spatial:
        config["keypoint_axes"] = SPATIAL_AXES
    if file.table.names:
        config["split_names"] = {protocol: dict(names) for protocol, names in file.table.names.items()}
    spec = StoreSpec(
        persons=persons, steps=steps, joints=file.joints, channels=1,
        skeleton=skeleton.name, joint_names=skeleton.joint_names, edges=skeleton.edges,
        backbone="none", tap="none", weights_sha256="", config=config, licence=licence, precision=precision,
    )  # fmt: skip
    with new_store(out, spec=spec, index=index, shard_clips=shard_clips, overwrite=overwrite) as writer:
        for shard in range(writer.layout.shards):
            rows = writer.layout.rows(shard)
            arrays = _as_arrays(writer.layout, file, rows)
            results = [_result(file, row, mask) for row, mask in zip(rows, arrays["mask"], strict=True)]
            names = file.names[rows.start : rows.stop]
            writer.write_shard(shard, make_features(writer.layout, arrays, results, names=names), results)
            on_clips(len(rows))
    for what, count in file.remarks.items():
        if count:
            _log.warning("%s: %d %s", file.source, count, what)


def _skeleton(file: PysklFile) -> Skeleton:
    """Guess the joints: in 3-D, 25 are Kinect's, and 17 are not COCO's."""
    if not file.spatial:
        return guess_skeleton(file.joints, file.names)
    return NTU25_SKELETON if file.joints == NTU25_SKELETON.joints else Skeleton.unnamed(file.joints)


def _result(file: PysklFile, row: int, mask: np.ndarray) -> ClipResult:
    height_px, width_px = file.size_px(row)
    seen = bool(mask.any())
    return ClipResult(
        Status.OK if seen else Status.NO_PERSON,
        frames=file.entries[row].frames,
        height_px=height_px,
        width_px=width_px,
        persons=int(mask.any(1).sum()),
        reason="" if seen else "no joint with a score in any frame",
    )


def _as_arrays(layout: Layout, file: PysklFile, rows: range) -> dict[str, np.ndarray]:
    """Feature arrays of some clips, resampled to T steps; a person is seen where a joint has a score."""
    arrays = {
        name: np.zeros((len(rows), *spec.item_shape), bool if spec.dtype == "bool" else np.float32)
        for name, spec in layout.features.items()
    }
    for number, row in enumerate(rows):
        try:
            clip = file.clip(row)
        except ValueError as error:
            raise HeatpoolError(f"{file.source}: clip {file.names[row][:60]!r}: {error}") from error
        plan = ResamplePlan.linear(file.entries[row].frames, layout.steps)
        values = clip.keypoint
        if not file.spatial:
            scale = 2 / np.array(file.size_px(row)[::-1], np.float64)
            values = np.concatenate([values * scale - 1, clip.score[..., None]], -1)
        values = values[:, plan.frames]
        found = np.asarray((clip.score[:, plan.frames] > 0).any(-1))
        best = np.argsort(-clip.score.sum((1, 2), dtype=np.float64), kind="stable")[: layout.persons]
        for slot, person in enumerate(np.sort(best)):
            arrays["keypoints"][number, slot] = plan.apply_seen(values[person], found[person])
            arrays["mask"][number, slot] = plan.seen_steps(found[person])
    return arrays
