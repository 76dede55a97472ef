"""Writing one shard: aside, flushed, renamed into place, journalled last.

A process killed at any instant leaves either a finished shard or a pending one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import zarr

from pool.errors import HeatpoolError
from pool.files import flush_file, flush_folder, hash_file, temp_name, write_atomic
from pool.journal import ShardRecord, record_path
from pool.layout import FINISHED, JOURNAL, ArraySpec, Layout, code_version, create_feature_array
from pool.records import ClipFeatures, ClipResult, Status

__all__ = ["FLOAT16_MAX", "OnStep", "write_shard"]

FLOAT16_MAX = 65_504.0

OnStep = Callable[[str], None]
"""Called with the name of each step of a write once it is done (`shard 3: renamed boxes`)."""

_WITH_FEATURES = (Status.OK, Status.TRUNCATED)


def write_shard(
    root: Path,
    layout: Layout,
    shard: int,
    *,
    features: Sequence[ClipFeatures | None],
    results: Sequence[ClipResult],
    on_step: OnStep,
) -> ShardRecord:
    """Write a shard's files and its journal record; once this returns they are safe on disk.

    Raises:
        HeatpoolError: if a value does not fit float16, or the disk refuses.
        ValueError: if counts, shapes or statuses do not fit.
    """
    rows = layout.rows(shard)
    _check_outcomes(rows, features, results)
    slabs = {
        name: _fill_slab(spec, rows, features, layout.shard_clips) for name, spec in layout.features.items()
    }
    aside = root / temp_name(f"shard{shard}")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        _mark_pending(root, shard)
        on_step(f"shard {shard}: pending")
        try:
            files = _write_aside(aside, layout, shard, slabs, on_step)
            _rename_into_place(aside, root, layout, shard, files, on_step)
            record = ShardRecord.of(layout, shard, files=files, results=results, code_version=code_version())
            write_atomic(record_path(root, shard), record.to_bytes(), temp_folder=aside)
            on_step(f"shard {shard}: journalled")
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise HeatpoolError(
            f"{root}: cannot write shard {shard} ({error.strerror or error}); mend that and use --resume"
        ) from error
    return record


def _check_outcomes(
    rows: range, features: Sequence[ClipFeatures | None], results: Sequence[ClipResult]
) -> None:
    if not len(rows) == len(features) == len(results):
        raise ValueError(f"expected {len(rows)} clips, got {len(features)} features, {len(results)} results")
    for row, clip, result in zip(rows, features, results, strict=True):
        if result.status == Status.PENDING:
            raise ValueError(f"row {row}: expected a final status, got pending")
        if clip is None and result.status in _WITH_FEATURES:
            raise ValueError(
                f"row {row}: expected features for status {result.status.name.lower()}, got None"
            )
        if clip is not None and result.status == Status.FAILED:
            raise ValueError(f"row {row}: expected no features for a failed clip, got some")


def _fill_slab(
    spec: ArraySpec, rows: range, features: Sequence[ClipFeatures | None], shard_clips: int
) -> np.ndarray:
    """The shard of one array in its stored dtype, (shard_clips, ...); fill value where nothing is."""
    slab = np.full((shard_clips, *spec.item_shape), spec.fill, dtype=spec.dtype)
    for number, clip in enumerate(features):
        if clip is None:
            continue
        value = getattr(clip, spec.name)
        if value.shape != spec.item_shape:
            raise ValueError(
                f"row {rows[number]}: expected {spec.name} of shape {spec.item_shape}, got {value.shape}"
            )
        if spec.dtype == "float16" and (peak := np.abs(value).max()) > FLOAT16_MAX:
            raise HeatpoolError(
                f"clip in row {rows[number]}: {spec.name} reaches {peak:.6g}, expected at most "
                f"{FLOAT16_MAX:.0f} (float16); pool another feature map (tap) of the network"
            )
        slab[number] = value
    return slab


def _mark_pending(root: Path, shard: int) -> None:
    (root / FINISHED).unlink(missing_ok=True)
    flush_folder(root)
    record_path(root, shard).unlink(missing_ok=True)
    flush_folder(root / JOURNAL)


def _write_aside(
    aside: Path, layout: Layout, shard: int, slabs: Mapping[str, np.ndarray], on_step: OnStep
) -> dict[str, tuple[int, str]]:
    """Write each slab as shard 0 of a one-shard array; returns size and SHA-256 by final path."""
    group = zarr.create_group(aside, zarr_format=3)
    count = layout.shard_clips
    files = {}
    for name, spec in layout.features.items():
        create_feature_array(group, spec, clips=count, shard_clips=count)[...] = slabs[name]
        file = aside / layout.shard_key(name, 0)
        if file.exists():  # zarr writes no file for a shard of nothing but fill values
            flush_file(file)
            files[layout.shard_key(name, shard)] = hash_file(file)
        on_step(f"shard {shard}: wrote {name}")
    return files


def _rename_into_place(
    aside: Path,
    root: Path,
    layout: Layout,
    shard: int,
    files: Mapping[str, tuple[int, str]],
    on_step: OnStep,
) -> None:
    for name in layout.features:
        key = layout.shard_key(name, shard)
        if key in files:
            os.replace(aside / layout.shard_key(name, 0), root / key)
        else:
            (root / key).unlink(missing_ok=True)  # left by an earlier, damaged shard
        flush_folder(root / name)
        on_step(f"shard {shard}: renamed {name}")
