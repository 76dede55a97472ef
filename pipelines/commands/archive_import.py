"""`heatpool archive import`: stores made of other programs' files."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from tqdm.auto import tqdm

from heatpool.pipelines.options.archive_import import ImportOptions
from heatpool.pool.disk.class_names import ClassNames, read_class_names
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.clip_store import ClipPart
from heatpool.pool.exchange.frame_features import import_frame_features, open_frame_features
from heatpool.pool.exchange.hdf5 import import_hdf5
from heatpool.pool.exchange.keypoints.ctrgcn import CtrgcnFile
from heatpool.pool.exchange.keypoints.detect import PoseFormat, find_format, open_poses
from heatpool.pool.exchange.keypoints.records import NamesClasses
from heatpool.pool.exchange.keypoints.store import import_poses
from heatpool.pool.exchange.npz import import_npz
from heatpool.pool.exchange.published import MANIFEST_NAME, import_published
from heatpool.pool.exchange.pyskl import import_pyskl
from heatpool.pool.exchange.pyskl_file import PysklFile, read_pyskl
from heatpool.pool.exchange.skeleton_file import read_skeleton
from heatpool.pool.records import ClipIndex, Status
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.reader import FeatureStore

__all__ = ["import_store"]

_log = logging.getLogger(__name__)

_POSES = get_args(PoseFormat)
_BY_SUFFIX = {".h5": "hdf5", ".hdf5": "hdf5", ".npz": "npz", ".pkl": "pyskl", ".pickle": "pyskl"}
_KEYPOINTS = "keypoints of other programs"
_ONLY = {
    "manifest": ("npy", "features", _KEYPOINTS),
    "class_names": ("pyskl", "ctrgcn"),
    "skeleton": ("pyskl", _KEYPOINTS),
    "frame_size": (_KEYPOINTS,),
    "fps": ("features", _KEYPOINTS),
}
"""What an option is for."""


def import_store(options: ImportOptions) -> int:
    """Make a store of a file or folder; return 3 if some of its clips failed.

    Raises:
        HeatpoolError: if it is of no known format, damaged, or wants to run code, or the store exists.
    """
    source = options.source
    if not source.exists():
        raise HeatpoolError(f"{source}: no such file or folder")
    kind = _pick(options.format, source)
    _refuse_others(options, kind)
    # How many there are is known to the file alone.
    with tqdm(desc="import", unit=" clips", disable=options.quiet or not sys.stderr.isatty()) as progress:
        common: dict[str, Any] = {"overwrite": options.overwrite, "on_clips": progress.update}
        precision: dict[str, Any] = {"precision": options.precision}
        more = common | {"shard_clips": options.shard_clips, "licence": options.licence}
        if kind in ("hdf5", "npz"):
            importer = import_hdf5 if kind == "hdf5" else import_npz
            importer(source, options.out, **common, **precision)
        elif kind == "npy":
            manifest = options.manifest or _own_manifest(source)
            index = _read_index(manifest) if manifest else None
            import_published(source, options.out, index=index, **more, **precision)
        elif kind == "pyskl":
            file = read_pyskl(source)
            index = _index_pyskl(file, _classes(options))
            sizes: dict[str, Any] = {"steps": options.steps, "persons": options.persons}
            import_pyskl(
                file, options.out, index=index, skeleton=_skeleton(options), **sizes, **more, **precision
            )
        elif kind == "features":
            _import_features(options, **more, **precision)
        else:
            _import_poses(options, cast(PoseFormat, kind), **more)
    store = FeatureStore.open(options.out)
    _log.info(f"{options.out}: {len(store)} clips, {len(store.clips.rows())} with features")
    was_read_here = kind == "features" or kind in _POSES
    return 3 if was_read_here and (store.clips.status == Status.FAILED).any() else 0


def _pick(asked: str, path: Path) -> str:
    """The format asked for, else the one that name and beginning stand for."""
    if asked != "auto":
        return asked
    found = find_format(path)
    if found:
        return found
    has_arrays = path.is_dir() or path.suffix.lower() in (".npy", ".npz")
    if has_arrays and open_frame_features(path):
        return "features"
    if path.suffix.lower() in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix.lower()]
    if path.is_dir() and any(path.rglob("*.npy")):
        return "npy"
    raise HeatpoolError(
        f"expected a store in another format, arrays of features, or keypoints of {', '.join(_POSES)}, got "
        f"{path}, which is not known by its suffix or beginning; --format says which it is"
    )


def _refuse_others(options: ImportOptions, kind: str) -> None:
    is_one = {kind, _KEYPOINTS} if kind in _POSES else {kind}
    if kind == "ctrgcn" and options.manifest:
        is_one = {kind}  # it has no names that a manifest could have
    for name, kinds in _ONLY.items():
        if getattr(options, name) and is_one.isdisjoint(kinds):
            hint = "; heatpool relabel STORE MANIFEST gives labels and splits to what was imported"
            raise HeatpoolError(
                f"expected --{name.replace('_', '-')} with {' or '.join(kinds)} only, got {kind}"
                f"{hint if name == 'manifest' else ''}"
            )


def _import_features(options: ImportOptions, **more: Any) -> None:
    file = open_frame_features(options.source)
    if file is None:
        raise HeatpoolError(f"{options.source}: expected arrays (frames, channels), got others or none")
    index, parts = _clips(file.names, options)
    import_frame_features(
        file, options.out, index=index, parts=parts, steps=options.steps, fps=options.fps, **more
    )


def _import_poses(options: ImportOptions, kind: PoseFormat, **more: Any) -> None:
    from heatpool.pipelines.extraction.pose_persons import main_persons, persons_in_order

    skeleton = _skeleton(options)
    file = open_poses(options.source, kind, skeleton=skeleton)
    videos: dict[str, Any] = {}
    if isinstance(file, CtrgcnFile):
        classes = _classes(options)
        index = file.index(classes.names if classes else ())
        parts = [ClipPart(row) for row in range(len(index))]
    else:
        class_names = file.class_names if isinstance(file, NamesClasses) else ()
        index, parts = _clips(file.names, options, class_names)
    if options.manifest:
        from heatpool.pipelines.extraction.pose_videos import video_finder

        videos["find_video"] = video_finder(parts, index.path, options.manifest.parent)
    import_poses(
        file, options.out, index=index, parts=parts, skeleton=skeleton,
        choose=persons_in_order if kind == "movement" else main_persons,
        steps=options.steps, persons=options.persons, frame_size_px=options.frame_size_px, fps=options.fps,
        **videos, **more,
    )  # fmt: skip
    for note in file.notes:
        _log.info("%s: %s", options.source, note)


def _clips(
    names: Sequence[str], options: ImportOptions, class_names: Sequence[str] = ()
) -> tuple[ClipIndex, list[ClipPart]]:
    from heatpool.pipelines.extraction.pose_clips import clips_by_manifest, clips_by_names

    if options.manifest:
        return clips_by_manifest(names, options.source, options.manifest)
    return clips_by_names(names, options.source, class_names)


def _skeleton(options: ImportOptions) -> Skeleton | None:
    return read_skeleton(options.skeleton) if options.skeleton else None


def _classes(options: ImportOptions) -> ClassNames | None:
    return read_class_names(options.class_names) if options.class_names else None


def _own_manifest(folder: Path) -> Path | None:
    path = folder / MANIFEST_NAME
    return path if path.exists() else None


def _index_pyskl(file: PysklFile, classes: ClassNames | None) -> ClipIndex:
    from heatpool.extract.datasets.pyskl_index import index_pyskl

    return index_pyskl(file, classes=classes)


def _read_index(manifest: Path) -> ClipIndex:
    from heatpool.extract.datasets.manifest import read_manifest

    return read_manifest(manifest).index()
