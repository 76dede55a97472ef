"""What a user names as videos: files, folders, manifests, patterns and addresses, as one list of clips."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from heatpool.extract.datasets.clips import unique_ids
from heatpool.extract.datasets.folder import read_videos
from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.video.download import download_video, public_address
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import ARCHIVE_SUFFIX, is_remote

__all__ = ["VideoInputs", "gather_videos"]


@dataclass(frozen=True)
class VideoInputs:
    """The clips to be classified.

    Attributes:
        manifest: all clips, without labels and splits.
        addresses: of videos behind addresses, by the file that they are in now.
        unfetched: why there is no such file, by the file.
    """

    manifest: Manifest
    addresses: Mapping[Path, str]
    unfetched: Mapping[Path, str]

    def name(self, video: Path) -> str:
        """Return what a video is called in answers: its path as it was given, or its address."""
        return self.addresses.get(video) or str(video)


def gather_videos(words: Sequence[str], scratch: Path, *, fps: float = 0.0) -> VideoInputs:
    """Find the clips that words stand for; a video that two of them name counts once.

    Args:
        words: paths of videos, folders or manifests, patterns with `*`, `?` or `[…]` (`**` is any folders)
            for those, addresses of http(s).
        scratch: folder for what is fetched.
        fps: as for `read_videos`.

    Raises:
        HeatpoolError: if a word stands for nothing, or no address can be fetched and there is nothing else.
    """
    local, fetched, addresses = list[Manifest](), list[Manifest](), dict[Path, str]()
    unfetched, error = dict[Path, str](), None
    for word in dict.fromkeys(words):
        if is_remote(word):
            folder, shown = _folder_for(word, scratch / f"video{len(addresses)}"), public_address(word)
            try:
                path = download_video(word, folder)
            except HeatpoolError as problem:
                path, error = folder / "none", problem
                unfetched[path] = str(problem).removeprefix(f"{shown}: ")
            # Two may differ in what is not shown, and answers know videos by their names.
            addresses[path] = shown if shown not in addresses.values() else f"{shown}#{len(addresses) + 1}"
            fetched.append(Manifest((Clip(path.stem, path),), (), path.parent))
        else:
            local += [_read(path, fps=fps) for path in _paths(word)]
    found = [*local, *fetched]
    if error is not None and len(unfetched) == len(found):
        raise error
    clips = found[0].clips if len(found) == 1 else _joined(found)
    plain = tuple(replace(clip, label=-1, class_name="", splits={}) for clip in clips)
    return VideoInputs(Manifest(plain, (), _root(local or fetched)), addresses, unfetched)


def _folder_for(address: str, folder: Path) -> Path:
    scheme = urlsplit(address).scheme
    if scheme not in ("http", "https"):
        raise HeatpoolError(f"expected http:// or https:// for a video, got {scheme}://; streams: --follow")
    folder.mkdir()
    return folder


def _paths(word: str) -> list[Path]:
    """Return the path that a word is, or those that fit it as a pattern."""
    path = Path(word)
    if path.exists() or not glob.has_magic(word):
        return [path]
    found = sorted(Path(each) for each in glob.glob(word, recursive=True))
    if not found:
        raise HeatpoolError(f"expected videos that fit {word}, there are none")
    return found


def _read(path: Path, *, fps: float) -> Manifest:
    if path.suffix == ARCHIVE_SUFFIX or (path / "zarr.json").is_file():
        raise HeatpoolError(f"expected videos, {path} holds features: give it with --features")
    return read_videos(path, fps=fps)


def _joined(manifests: Sequence[Manifest]) -> list[Clip]:
    """Put the clips of several sources together, each once."""
    clips = dict[tuple[str, float, float | None], Clip]()
    for clip in (clip for manifest in manifests for clip in manifest.clips):
        clips.setdefault((os.path.abspath(clip.path), clip.start_s, clip.end_s), clip)
    # Two folders may have a `1.mp4` each: then their paths tell them apart, and of one video the times.
    places = [f"{path}@{start_s}-{end_s}" if start_s or end_s else path for path, start_s, end_s in clips]
    names = unique_ids([clip.clip_id for clip in clips.values()], places)
    return [replace(clip, clip_id=name) for name, clip in zip(names, clips.values(), strict=True)]


def _root(manifests: Sequence[Manifest]) -> Path:
    """Return the folder that all lie below, relative where they are."""
    roots = [str(manifest.root) for manifest in manifests]
    if len({os.path.isabs(root) for root in roots}) > 1:
        roots = [os.path.abspath(root) for root in roots]
    return Path(os.path.commonpath(roots))
