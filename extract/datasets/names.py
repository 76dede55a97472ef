"""Listing a data set whose file names say what a clip is."""

from __future__ import annotations

from dataclasses import replace

from heatpool.extract.datasets.clips import Clip, unique_ids, without_suffix
from heatpool.extract.datasets.listing import Excluded, Listing, VideoFolder
from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.datasets.spec import DatasetSpec
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import FIRST_COLUMNS

__all__ = ["list_named"]


def list_named(spec: DatasetSpec, folder: VideoFolder) -> Listing:
    """List the clips of a data set by its record; what the names do not fit is excluded with the reason.

    Raises:
        HeatpoolError: if no video is one of the data set.
    """
    clips: list[Clip] = []
    paths: list[str] = []
    excluded = list(folder.excluded)
    for path in folder.videos:
        clip = _read(spec, folder, path)
        if isinstance(clip, Excluded):
            excluded.append(clip)
        else:
            clips.append(clip)
            paths.append(path)
    if not clips:
        raise HeatpoolError(
            f"expected videos of {spec.name} such as {spec.video} below {folder.path}, "
            f"got {len(excluded)} other files, for example {excluded[0].path} ({excluded[0].reason})"
        )
    ids = unique_ids([clip.clip_id for clip in clips], paths)
    clips = [
        clip if clip.clip_id == clip_id else replace(clip, clip_id=clip_id)
        for clip, clip_id in zip(clips, ids, strict=True)
    ]
    manifest = Manifest(tuple(clips), tuple(spec.classes.values()), folder.path, spec.disjoint)
    return Listing(manifest, tuple(excluded))


def _read(spec: DatasetSpec, folder: VideoFolder, path: str) -> Clip | Excluded:
    fields = spec.fields(without_suffix(path))
    if fields is None:
        return Excluded(path, f"its name is none of {spec.name}")
    label = spec.label(fields)
    if label is None:
        return Excluded(path, f"its class is none of {spec.name}")
    clip_id = spec.clip_id.format_map(fields)
    if clip_id in spec.missing and not folder.keep_missing:
        return Excluded(path, spec.missing_reason)
    number, class_name = label
    return replace(
        folder.clip(clip_id, path),
        label=number,
        class_name=class_name,
        columns={name: fields.get(name, "") for name in FIRST_COLUMNS},
        persons=spec.count_persons(fields),
        splits=spec.splits_of(fields, class_name),
    )
