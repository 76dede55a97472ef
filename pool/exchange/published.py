"""The feature files that HP-Net's authors publish: a folder with one float32 `.npy` (T, M, V, C) per clip."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heatpool.pool.derive.build import OnClips, make_features, new_store
from heatpool.pool.disk.atomic import atomic_folder
from heatpool.pool.disk.limits import MAX_CLIP_VALUES
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.array_files import ARRAY_ERRORS
from heatpool.pool.exchange.clip_files import clip_file_names, refuse_other_folder
from heatpool.pool.records import FIRST_COLUMNS, ClipIndex, ClipResult, Split, Status
from heatpool.pool.skeleton import guess_skeleton
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import Precision, StoreSpec

__all__ = ["MANIFEST_NAME", "export_published", "import_published"]

MANIFEST_NAME = "manifest.csv"

_SUCH_AS = (64, 2, 17, 96)
_MOST_PERSONS, _MANY_PERSONS = 255, 8
_JOINTS = (17, 25)  # of COCO and of Kinect: numbers that persons and channels do not have


def export_published(
    store: FeatureStore, out: str | Path, *, overwrite: bool = False, on_clips: OnClips = lambda count: None
) -> int:
    """Write the usable clips of a store as the authors do, and a `manifest.csv` that names and labels them.

    A slot without a person gets a copy of the clip's first person, as theirs do. A file is named after
    the clip, or after its row where the id cannot be a file name.

    Returns:
        Clips written.

    Raises:
        HeatpoolError: if `out` exists, the store has no pooled features, or the disk refuses.
    """
    refuse_other_folder(out, suffix=".npy", overwrite=overwrite, others=(MANIFEST_NAME,))
    held = store.attributes["config"].get("arrays")
    if held is not None and "pooled" not in held:
        raise HeatpoolError(f"{store.source.name}: expected pooled features, got {', '.join(held)} only")
    usable = store.clips.rows()
    files = clip_file_names(store.clips.clip_ids(usable), usable, suffix=".npy", taken=(MANIFEST_NAME,))
    of_row = dict(zip(usable.tolist(), files, strict=True))
    with atomic_folder(out, overwrite) as aside:
        for rows, arrays in store.iter_shards(("pooled", "mask")):
            for place, row in enumerate(rows.tolist()):
                if row in of_row:
                    clip = _fill_slots(arrays["pooled"][place], arrays["mask"][place])
                    np.save(aside / of_row[row], clip, allow_pickle=False)
            on_clips(len(rows))
        _write_manifest(store, usable, files, aside / MANIFEST_NAME)
    return len(usable)


def _fill_slots(pooled: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(M, T, V, C) to float32 (T, M, V, C), the first person in every empty slot."""
    present = np.asarray(mask.any(1))
    source = np.where(present, np.arange(len(present)), present.argmax())
    return np.ascontiguousarray(pooled[source].transpose(1, 0, 2, 3), dtype=np.float32)


def _write_manifest(store: FeatureStore, rows: np.ndarray, files: Sequence[str], path: Path) -> None:
    index = store.clips.index_of(rows)
    columns = [name for name in FIRST_COLUMNS if name in index.columns]
    splits = {split: "" if split == Split.NONE else split.name.lower() for split in Split}
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        # Split rules stand in every row, as in every manifest: a table has no other place for them.
        kept = [f"{name}={column}" for name, column in index.disjoint.items() if column in columns]
        rules = {"disjoint": ";".join(kept)} if kept else {}
        table.writerow(["clip_id", "path", "label", "class_name", *columns, *index.splits, *rules])
        for place, (clip_id, name, label) in enumerate(
            zip(index.clip_id, files, index.label.tolist(), strict=True)
        ):
            known = label >= 0
            table.writerow(
                [
                    clip_id,
                    name,
                    label if known else "",
                    index.class_names[label] if known else "",
                    *(index.columns[column][place] for column in columns),
                    *(splits[Split(values[place])] for values in index.splits.values()),
                    *rules.values(),
                ]
            )


def import_published(
    folder: str | Path,
    out: str | Path,
    *,
    index: ClipIndex | None = None,
    shard_clips: int = 64,
    precision: Precision = "f2",
    licence: str = "",
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make a store from a folder of the authors' files. It has pooled features and no keypoints.

    Args:
        folder: with the `.npy` files.
        out: store to make.
        index: of the clips: a clip's path is its `.npy` file in the folder, else the file is named after
            its id. Without an index every file is a clip of that name, unlabelled.
        shard_clips: clips per shard.
        precision: of the pooled features.
        licence: of the data.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if a file is missing, of another shape or type, or holds what cannot be stored.
    """
    root = Path(folder)
    if index is None:
        names = sorted(path.stem for path in root.glob("*.npy"))
        if not names:
            raise HeatpoolError(f"{root}: expected .npy files, got none")
        files = tuple(f"{name}.npy" for name in names)
        index = ClipIndex(tuple(names), files, np.full(len(names), -1, np.int32), ())
    paths = [
        root / (path if path.endswith(".npy") else f"{clip_id}.npy")
        for clip_id, path in zip(index.clip_id, index.path, strict=True)
    ]
    if not paths:
        raise HeatpoolError(f"{root}: expected at least one clip, got none")
    steps, persons, joints, channels = shape = _load(paths[0], None).shape
    _check_axes(shape, paths[0])
    skeleton = guess_skeleton(joints, index.clip_id)
    spec = StoreSpec(
        persons=persons, steps=steps, joints=joints, channels=channels,
        skeleton=skeleton.name, joint_names=skeleton.joint_names, edges=skeleton.edges,
        backbone="published", tap="unknown", weights_sha256="",
        config={"imported_from": "published .npy", "arrays": ["pooled"]},
        licence=licence, precision=precision,
    )  # fmt: skip
    with new_store(out, spec=spec, index=index, shard_clips=shard_clips, overwrite=overwrite) as writer:
        for shard in range(writer.layout.shards):
            rows = writer.layout.rows(shard)
            loaded = [_load(paths[row], (steps, persons, joints, channels)) for row in rows]
            arrays = _as_arrays(loaded)
            results = [ClipResult(Status.OK, persons=int(mask.any(1).sum())) for mask in arrays["mask"]]
            clip_names = index.clip_id[rows.start : rows.stop]
            writer.write_shard(
                shard, make_features(writer.layout, arrays, results, names=clip_names), results
            )
            on_clips(len(rows))


def _check_axes(shape: tuple[int, ...], path: Path) -> None:
    """Refuse what has more persons than a clip can have, or V where persons or channels are.

    ST-GCN and its kin keep (C, T, V, M): many persons with two or so channels.
    """
    steps, persons, joints, channels = shape
    crowd = persons > _MOST_PERSONS or (persons > min(steps, channels) and persons > _MANY_PERSONS)
    if crowd or (joints not in _JOINTS and (persons in _JOINTS or channels in _JOINTS)):
        raise HeatpoolError(
            f"{path}: expected floats (T, M, V, C), such as {_SUCH_AS}, got {shape}: its axes seem to be in "
            "another order"
        )


def _load(path: Path, shape: tuple[int, ...] | None) -> np.ndarray:
    """A clip's file as it is, (T, M, V, C) floats of the expected shape."""
    try:
        clip: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except ARRAY_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0][:100]
        if "allow_pickle" in str(error) and "object" in str(error):
            reason = "by its first bytes it is none"  # numpy advises to unpickle it
        raise HeatpoolError(f"{path}: cannot be read as an .npy array ({reason})") from error
    fits = isinstance(clip, np.ndarray) and clip.ndim == 4 and clip.dtype.kind == "f"
    if not fits or 0 in clip.shape or clip.size > MAX_CLIP_VALUES or shape not in (None, clip.shape):
        got = f"{getattr(clip, 'dtype', 'no')} {getattr(clip, 'shape', 'array')}"
        wanted = f"of {shape} as in the first file" if shape else f"such as {_SUCH_AS}"
        raise HeatpoolError(f"{path}: expected floats (T, M, V, C) {wanted}, got {got}")
    return clip


def _as_arrays(clips: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Feature arrays of some clips; a slot that repeats an earlier one, or is zero, is empty."""
    pooled = np.stack(clips).astype(np.float32).transpose(0, 2, 1, 3, 4)  # (n, M, T, V, C)
    count, persons, steps, joints, _ = pooled.shape
    mask = np.zeros((count, persons, steps), bool)
    for clip, seen in zip(pooled, mask, strict=True):
        for slot in range(persons):
            copied = any(np.array_equal(clip[slot], clip[earlier]) for earlier in range(slot))
            seen[slot] = not copied and (slot == 0 or clip[slot].any())
    return {
        "pooled": pooled * mask[..., None, None],
        "keypoints": np.zeros((count, persons, steps, joints, 3), np.float32),
        "boxes": np.zeros((count, persons, steps, 4), np.float32),
        "mask": mask,
        "time_s": np.zeros((count, steps), np.float32),
    }
