"""A folder of videos as a data set: sub-folders name the classes, and the splits if there are any."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from heatpool.extract.datasets.clips import (
    VIDEO_SUFFIXES,
    Clip,
    label_clips,
    unique_ids,
    without_suffix,
)
from heatpool.extract.datasets.listing import Listing, VideoFolder, besides, scan
from heatpool.extract.datasets.manifest import Manifest, read_manifest
from heatpool.extract.datasets.splits import split_meanings
from heatpool.extract.video.picture_names import is_one_video, name_of_pictures
from heatpool.pool.disk.text_files import text_encoding
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["SPLIT", "list_folder", "read_videos"]

_log = logging.getLogger(__name__)

SPLIT = "split"
"""Protocol of data sets whose owner's splits have no name of their own."""


def read_videos(path: Path, *, fps: float = 0.0, known: Sequence[str] = ()) -> Manifest:
    """Read a manifest CSV, or make one of a folder of videos or of one video.

    Args:
        path: of any of them.
        fps: pictures per second, with which a folder of pictures, or a pattern of their names, is a video.
        known: classes of a store that the videos are for, see `read_manifest`.

    Raises:
        HeatpoolError: if the path does not exist, is neither, or holds no clip.
    """
    if fps and is_one_video(path):
        return Manifest((Clip(name_of_pictures(path), path, fps=fps),), (), path.parent)
    if path.is_dir():
        folder = scan(path, fps=fps)
        if folder.excluded:
            _log.info("%s holds besides its videos: %s", path, besides(folder.excluded))
        return list_folder(folder, known=known).manifest
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        return read_manifest(path, known=known)
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        return Manifest((Clip(path.stem, path),), (), path.parent)
    if path.is_file():
        text_encoding(path)  # refuses spreadsheets
    if path.exists():
        raise HeatpoolError(f"expected a folder, a manifest .csv or a video, got {path}")
    raise HeatpoolError(f"expected a folder or manifest of videos, {path} does not exist")


def list_folder(folder: VideoFolder, *, known: Sequence[str] = ()) -> Listing:
    """List every video; when each lies in a sub-folder, that names its class.

    When the uppermost folders are called train, val and test (or alike), they are the splits of the protocol
    `split`, and the folders below them name the classes.
    """
    folders = [PurePosixPath(path).parts[:-1] for path in folder.videos]
    meanings = _split_folders(folder, folders)
    splits: list[Split] | None = None
    if meanings:
        splits = [meanings[top.casefold()] for top, *_ in folders]
        folders = [inside[1:] for inside in folders]
    named = all(folders)  # a video that lies in no folder leaves all without a class
    ids = unique_ids([without_suffix(path) for path in folder.videos], folder.videos)
    clips = [
        replace(
            folder.clip(clip_id, path),
            class_name=inside[0] if named else "",
            splits={SPLIT: splits[at]} if splits else {},
        )
        for at, (clip_id, path, inside) in enumerate(zip(ids, folder.videos, folders, strict=True))
    ]
    labelled, names = label_clips(clips, str(folder.path), known=known)
    return Listing(Manifest(tuple(labelled), names, folder.path), folder.excluded)


def _split_folders(folder: VideoFolder, folders: Sequence[Sequence[str]]) -> dict[str, Split]:
    """Return what the uppermost folders mean where they are splits, nothing where they are classes.

    Raises:
        HeatpoolError: if something else lies beside splits, which would make classes of them.
    """
    tops = {inside[0] if inside else "" for inside in folders}
    words = {top.casefold() for top in tops}
    meanings = split_meanings(words)
    others = sorted(top for top in tops if top.casefold() not in meanings)
    if not others:
        return meanings if len(words) > 1 or min(map(len, folders)) > 1 else {}
    if Split.TRAIN in meanings.values() and len(set(meanings.values())) > 1:
        what = f"is {others[0]!r}" if others[0] else "are videos"
        raise HeatpoolError(
            f"expected splits alone in {folder.path}, beside {', '.join(sorted(meanings))} there {what}: "
            "move it elsewhere, or say what is what in a table (--dataset csv)"
        )
    return {}
