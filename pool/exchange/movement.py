"""Keypoints as `movement` datasets (https://movement.neuroinformatics.dev): a netCDF file per clip.

Layout: movement 0.15, "The movement datasets", ds_type poses. Axis letters as in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from heatpool.pool.derive.build import OnClips
from heatpool.pool.disk.atomic import atomic_file, atomic_folder
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.clip_files import clip_file_names, refuse_other_folder
from heatpool.pool.exchange.keypoints.records import SPATIAL_AXES
from heatpool.pool.exchange.netcdf import add_coordinate, add_variable
from heatpool.pool.store.reader import FeatureStore

__all__ = ["export_movement"]

_SUFFIX = ".nc"
_NEEDED = ("keypoints", "mask", "time_s")


def export_movement(
    store: FeatureStore,
    out: str | Path,
    *,
    clip_id: str | None = None,
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> int:
    """Write the keypoints of the usable clips, each as a dataset of movement; or those of one clip.

    Positions are pixels of the frame, times seconds of the video; NaN stands where a person was not seen.
    Only person slots that hold somebody are written.

    Args:
        store: to write.
        out: folder to make, with a file per clip, called after it; or a file that ends in .nc.
        clip_id: the clip that goes into the file; may be left out of a store with one usable clip.
        overwrite: replace what an earlier export wrote.
        on_clips: progress.

    Returns:
        Clips written.

    Raises:
        HeatpoolError: if `out` exists, there is no such clip, a clip's frame size is unknown, or the disk
            refuses.
    """
    held = store.attributes["config"].get("arrays")
    if held is not None and "keypoints" not in held:
        raise HeatpoolError(f"{store.source.name}: expected keypoints, got {', '.join(held)} only")
    if Path(out).suffix.lower() == _SUFFIX:
        row = _one_row(store, clip_id)
        arrays = store.read([row], _NEEDED)
        with atomic_file(out, overwrite) as aside:
            _write_clip(store, row, {name: values[0] for name, values in arrays.items()}, aside)
        on_clips(len(store))
        return 1
    if clip_id is not None:
        raise HeatpoolError(f"expected a file that ends in {_SUFFIX} for one clip, got {out}")
    refuse_other_folder(out, suffix=_SUFFIX, overwrite=overwrite)
    usable = store.clips.rows()
    names = clip_file_names(store.clips.clip_ids(usable), usable, suffix=_SUFFIX)
    file_of = dict(zip(usable.tolist(), names, strict=True))
    with atomic_folder(out, overwrite) as folder:
        for rows, arrays in store.iter_shards(_NEEDED):
            for place, row in enumerate(rows.tolist()):
                if row in file_of:
                    clip = {name: values[place] for name, values in arrays.items()}
                    _write_clip(store, row, clip, folder / file_of[row])
            on_clips(len(rows))
    return len(usable)


def _one_row(store: FeatureStore, clip_id: str | None) -> int:
    """Row of the clip of that id; of the only usable clip where none is asked for."""
    usable = store.clips.rows()
    ids = store.clips.clip_ids(usable)
    if clip_id is None and len(ids) != 1:
        raise HeatpoolError(
            f"expected --clip with one of {len(ids)} clips for a file, or a folder for all: movement has a "
            "file per video"
        )
    if clip_id is not None and clip_id not in ids:
        raise HeatpoolError(f"{store.source.name}: expected a clip with features, got {shorten(clip_id)}")
    return int(usable[0 if clip_id is None else ids.index(clip_id)])


def _write_clip(store: FeatureStore, row: int, arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write one clip. `arrays`: keypoints (M, T, V, 3), mask (M, T), time_s (T,)."""
    import h5py

    mask = arrays["mask"]
    persons = np.flatnonzero(mask.any(1))
    position, confidence = _position(store, row, arrays["keypoints"][persons])
    unseen = ~mask[persons]
    position[unseen], confidence[unseen] = np.nan, np.nan
    names = store.spec.graph.joint_names
    with h5py.File(path, "w", libver=("earliest", "v110"), track_order=True) as file:
        add_coordinate(file, "time", arrays["time_s"].astype(np.float64))
        add_coordinate(file, "space", ("x", "y", "z")[: position.shape[-1]])
        add_coordinate(file, "keypoints", names)
        add_coordinate(file, "individuals", [f"id_{person}" for person in persons])
        dims = ("time", "space", "keypoints", "individuals")
        add_variable(file, "position", position.transpose(1, 3, 2, 0), dims)
        add_variable(file, "confidence", confidence.transpose(1, 2, 0), (dims[0], *dims[2:]))
        file.attrs.update(_attributes(store, row))


def _position(store: FeatureStore, row: int, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (M, T, V, D) and scores (M, T, V) float32 of keypoints (M, T, V, 3); 3-D: no scores."""
    values = keypoints.astype(np.float32)
    if store.spec.config.get("keypoint_axes") == SPATIAL_AXES:
        return values, np.full(values.shape[:-1], np.nan, np.float32)
    size_px = np.array([store.clips.width_px[row], store.clips.height_px[row]], np.float32)
    if min(size_px) < 1:
        name = store.clips.index.clip_id[row]
        raise HeatpoolError(f"clip {shorten(name)}: expected a known frame size, got none")
    return (values[..., :2] + 1) * size_px / 2, values[..., 2].copy()


def _attributes(store: FeatureStore, row: int) -> dict[str, str | float]:
    """What movement asks for; clip, video and class beside it. fps is of the video: frame = time * fps."""
    index = store.clips.index
    label, clips = int(index.label[row]), store.clips
    attributes: dict[str, str | float] = {
        "ds_type": "poses", "source_software": "heatpool", "time_unit": "seconds",
        "clip_id": index.clip_id[row], "video": index.path[row],
    }  # fmt: skip
    known = {"fps": clips.fps, "width_px": clips.width_px, "height_px": clips.height_px}
    attributes |= {name: values[row].item() for name, values in known.items() if values[row] > 0}
    return attributes | ({"class_name": index.class_names[label]} if label >= 0 else {})
