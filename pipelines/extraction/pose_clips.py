"""Which clips the videos of a file of keypoints are: labels and splits, and what part of which video."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from heatpool.extract.datasets import SPECS
from heatpool.extract.datasets.box_videos import VideoNames
from heatpool.extract.datasets.clips import Clip, label_clips, unique_ids, without_suffix
from heatpool.extract.datasets.folder import list_folder
from heatpool.extract.datasets.listing import VideoFolder
from heatpool.extract.datasets.manifest import Manifest, read_manifest
from heatpool.extract.datasets.names import list_named
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.clip_store import ClipPart
from heatpool.pool.records import ClipIndex

__all__ = ["clips_by_manifest", "clips_by_names"]

_log = logging.getLogger(__name__)


def clips_by_manifest(names: Sequence[str], source: Path, manifest: Path) -> tuple[ClipIndex, list[ClipPart]]:
    """Return the clips of a manifest, and where each is in a file of keypoints or features.

    The names of its videos mean videos of the manifest as those in tables of boxes do (docs/boxes.md), or its
    clip ids. Further videos of the file are left out.

    Raises:
        HeatpoolError: if a name may mean several videos, or no clip of the manifest is in the file.
    """
    listed = read_manifest(manifest)
    names = _named(names, source)
    place = _match(names, listed, source)
    parts = [
        ClipPart(place.get(clip.path, place.get(clip.clip_id, -1)), clip.start_s, clip.end_s, clip.persons)
        for clip in listed.clips
    ]
    left = len(names) - len({part.video for part in parts} - {-1})
    if left == len(names):
        raise HeatpoolError(
            f"{source}: expected a video of {manifest}, such as {listed.clips[0].path}, got {names[0]}"
        )
    if left:
        _log.info("%s: %d of %d videos are not in %s", source, left, len(names), manifest)
    return listed.index(), parts


def clips_by_names(
    names: Sequence[str], source: Path, class_names: Sequence[str] = ()
) -> tuple[ClipIndex, list[ClipPart]]:
    """Return a clip for each video of a file of keypoints or features, with what the names say.

    Names of a known data set (NTU's and others') give labels, subjects and official splits; those that every
    paper leaves out are left out. Of a folder, sub-folders name classes and splits as those of videos do.

    Args:
        names: of the videos.
        source: the file or folder.
        class_names: of the videos, where the file itself names any.
    """
    names = _named(names, source)
    if any(class_names):
        manifest = _plain(names, source, class_names)
    else:
        manifest = _of_dataset(names, source) or _of_folder(names, source) or _plain(names, source)
    place = {source / name: number for number, name in enumerate(names)}
    parts = [ClipPart(place[clip.path], persons=clip.persons) for clip in manifest.clips]
    return manifest.index(), parts


def _named(names: Sequence[str], source: Path) -> tuple[str, ...]:
    """Names of the videos; one without a name is called by the file."""
    return tuple(name or source.stem for name in names)


def _match(names: Sequence[str], listed: Manifest, source: Path) -> dict[Path | str, int]:
    """Place of each name in the file, by the path of a manifest's video or by a clip id."""
    videos = list(dict.fromkeys(clip.path for clip in listed.clips))
    if len(names) == len(videos) == 1:
        return {videos[0]: 0}
    places = (listed.root, source if source.is_dir() else source.parent)
    found, _ = VideoNames(videos, places=places, source=str(source)).assign(names)
    number_of = {name: number for number, name in enumerate(names)}
    place: dict[Path | str, int] = {videos[video]: number_of[name] for name, video in found.items()}
    ids = {_plain_id(name): number for name, number in number_of.items() if name not in found}
    for clip in listed.clips:
        if (clip_id := _plain_id(clip.clip_id)) in ids:
            place[clip.clip_id] = ids[clip_id]
    return place


def _plain_id(name: str) -> str:
    return without_suffix(name.replace("\\", "/")).casefold()


def _of_dataset(names: Sequence[str], source: Path) -> Manifest | None:
    """Clips of the data set whose names these all are."""
    for make in SPECS:
        spec = make()
        fields = spec.fields(names[0])
        if fields is None or spec.label(fields) is None:
            continue
        each = [spec.fields(without_suffix(name)) for name in names]
        if all(fields is not None and spec.label(fields) is not None for fields in each):
            listing = list_named(spec, VideoFolder(source, tuple(names)))
            for reason, count in listing.reasons():
                _log.info("%s: left out %d: %s", source, count, reason)
            return listing.manifest
    return None


def _of_folder(names: Sequence[str], source: Path) -> Manifest | None:
    """Clips of a folder's files, with the classes and splits that its sub-folders name."""
    inside = source.is_dir() and not any(name.startswith(("/", "..")) or ":" in name for name in names)
    return list_folder(VideoFolder(source, tuple(names))).manifest if inside else None


def _plain(names: Sequence[str], source: Path, class_names: Sequence[str] = ()) -> Manifest:
    """Clips called by the last parts of their names, or as they are where the file names their classes."""
    plain = [without_suffix(name.replace("\\", "/").rpartition("/")[2]) for name in names]
    ids = unique_ids(list(names) if class_names else plain, names)
    clips = [
        Clip(each, source / name, class_name=class_name)
        for each, name, class_name in zip(ids, names, class_names or [""] * len(ids), strict=True)
    ]
    labelled, classes = label_clips(clips, str(source))
    return Manifest(tuple(labelled), classes, source)
