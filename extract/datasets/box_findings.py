"""Whether persons made beforehand fit the videos that they are for, by the size and the number of frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import PoseVideo

__all__ = ["BoxFinding", "VideoSize", "check_boxes"]

_SLACK_PX = 1.0  # so far over the edge is rounding
_NAMED = 3  # videos that a line writes out
_FRAMES = 8  # with boxes, from which on their distance is no chance
_LONG, _DENSE = 10, 0.8  # frames, and share of them with boxes, that tell how they are counted
_FEW, _SHARE = 2, 0.02  # frames that decoders differ by, and share of them


@dataclass(frozen=True)
class VideoSize:
    """What of a video its boxes must fit.

    Attributes:
        width_px: of the picture as it is shown.
        height_px: likewise.
        frames: that the video holds, 0 where that is not known.
    """

    width_px: int
    height_px: int
    frames: int = 0


@dataclass(frozen=True)
class BoxFinding:
    """Something that is wrong with the boxes of some videos.

    Attributes:
        level: error = they cannot be what they should be.
        message: one line.
        videos: which.
        options: an option of the run helps, so that it is worth knowing before.
    """

    level: Literal["error", "warning"]
    message: str
    videos: tuple[Path, ...]
    options: bool = False


@dataclass(frozen=True)
class _Fit:
    """How the boxes of a video fit it.

    Attributes:
        boxes: all of them.
        first: number of the first frame with a box.
        last: of the last.
        frames: of the video, 0 where not known.
        late: boxes behind its last frame.
        outside: boxes outside the picture.
        over: boxes that reach out of it, by more than rounding does.
        small: all of them lie in the upper left quarter of a picture whose size the file does not tell.
        stride: frames with boxes are 0, k, 2 k, …; 1 of a few.
        dense: most frames up to the last one have boxes.
        told: frames of the video as the file says, 0 where it does not.
        copy: whether they are of a copy of another size, and are scaled.
        told_px: width and height of the picture that they are of.
        other: whether that is another picture.
    """

    boxes: int
    first: int
    last: int
    frames: int
    late: int
    outside: int
    over: int
    small: bool
    stride: int
    dense: bool
    told: int
    copy: bool
    told_px: tuple[int, int]
    other: bool

    @classmethod
    def of(cls, given: PoseVideo, size: VideoSize, min_score: float) -> _Fit | None:
        """Compare the boxes of a video with it; None where there is none that counts."""
        rows = np.flatnonzero(given.score >= min_score)
        if not len(rows):
            return None
        assert given.box_xyxy_px is not None, "whoever gives persons gives boxes"
        edge = np.array([size.width_px, size.height_px])
        told_px = (given.width_px, given.height_px)
        scale = given.scale_to(size.width_px, size.height_px)
        frames, boxes = given.frame[rows], given.box_xyxy_px[rows] * np.tile(scale or (1.0, 1.0), 2)
        low, high = boxes[:, :2], boxes[:, 2:]
        outside = ((low >= edge) | (high <= 0)).any(1)
        over = ((low < -_SLACK_PX) | (high > edge + _SLACK_PX)).any(1) & ~outside
        other = scale is None
        return cls(
            boxes=len(rows),
            first=int(frames[0]),
            last=int(frames[-1]),
            frames=size.frames,
            late=int((frames >= size.frames).sum()) if size.frames else 0,
            outside=int(outside.sum()) * (not other),
            over=int(over.sum()) * (not other),
            small=bool((high <= edge / 2).all()) and not told_px[0],
            stride=int(np.gcd.reduce(np.unique(frames))) if len(np.unique(frames)) >= _FRAMES else 1,
            dense=frames[-1] >= _LONG and len(np.unique(frames)) >= _DENSE * (frames[-1] + 1),
            told=given.frames,
            copy=not (other or given.in_fractions or told_px in ((0, 0), (size.width_px, size.height_px))),
            told_px=told_px,
            other=other,
        )


def check_boxes(given: GivenPersons, sizes: Mapping[Path, VideoSize]) -> list[BoxFinding]:
    """Say which persons do not fit their videos.

    Args:
        given: the persons.
        sizes: of the videos that could be read.
    """
    fits, damaged = dict[Path, _Fit](), dict[Path, str]()
    for video, size in sizes.items():
        try:
            fit = _Fit.of(given.videos[video], size, given.min_score)
        except HeatpoolError as error:
            damaged[video] = str(error)
        else:
            fits |= {video: fit} if fit else {}
    about = partial(_finding, given, fits)
    late = "are of frames that the video does not have"
    findings = [
        _damaged(given, damaged),
        _of_others(given, fits, sizes),
        about(lambda fit: fit.outside, "lie outside the picture and are left out"),
        about(lambda fit: fit.over, "reach out of the picture and are cut at its edge"),
        _counted_from_one(given.source, fits) or about(lambda fit: fit.late, late),
        _other_rate(given, fits) or _every_other(given, fits),
        _copies(given, fits, sizes),
        _strided(given, fits),
    ]
    if fits and all(fit.small for fit in fits.values()):
        message = (
            f"{given.source}: the boxes of all {len(fits)} videos lie in the upper left quarter of the "
            "picture; if they were made on a smaller copy, multiply them by its scale"
        )
        findings.append(BoxFinding("warning", message, tuple(fits)))
    return [finding for finding in findings if finding]


def _damaged(given: GivenPersons, damaged: Mapping[Path, str]) -> BoxFinding | None:
    if not damaged:
        return None
    video, reason = next(iter(damaged.items()))
    message = f"{given.source}: cannot be read for {len(damaged)} videos, such as {video.name}: {reason}"
    return BoxFinding("error", message, tuple(damaged))


def _of_others(
    given: GivenPersons, fits: Mapping[Path, _Fit], sizes: Mapping[Path, VideoSize]
) -> BoxFinding | None:
    """Say of which videos the file has another picture: a part of theirs, or another video's."""
    found = [video for video, fit in fits.items() if fit.other]
    if not found:
        return None
    video, size = found[0], sizes[found[0]]
    message = (
        f"{given.source}: the {given.noun} of {len(found)} videos are of pictures of other proportions, "
        f"of {video.name} {_size(fits[video].told_px)} where it has "
        f"{_size((size.width_px, size.height_px))}: of a part of the picture, or of another video?"
    )
    return BoxFinding("error", message, tuple(found))


def _copies(
    given: GivenPersons, fits: Mapping[Path, _Fit], sizes: Mapping[Path, VideoSize]
) -> BoxFinding | None:
    found = [video for video, fit in fits.items() if fit.copy]
    if not found:
        return None
    video, size = found[0], sizes[found[0]]
    message = (
        f"{given.source}: the {given.noun} of {len(found)} videos are of copies of another size and are "
        f"scaled, {video.name} from {_size(fits[video].told_px)} to {_size((size.width_px, size.height_px))}"
    )
    return BoxFinding("warning", message, tuple(found))


def _other_rate(given: GivenPersons, fits: Mapping[Path, _Fit]) -> BoxFinding | None:
    """Say which videos have, as the file says, another number of frames than they have."""
    found = [
        video
        for video, fit in fits.items()
        if fit.told and fit.frames and abs(fit.told - fit.frames) > max(_FEW, _SHARE * fit.frames)
    ]
    if not found:
        return None
    fit = fits[found[0]]
    message = (
        f"{given.source}: {len(found)} videos have other numbers of frames than it says, {found[0].name} "
        f"{fit.frames} where it has {fit.told}: made of a copy at another rate, or of a part? Nothing is "
        "shifted"
    )
    return BoxFinding("error", message, tuple(found))


def _every_other(given: GivenPersons, fits: Mapping[Path, _Fit]) -> BoxFinding | None:
    """Ask about frames that end at a half, a third, … of all videos, as those of every other frame do."""
    rates = {round(fit.frames / (fit.last + 1), 1) for fit in fits.values() if fit.dense}
    rate = min(rates, default=0)
    if len(rates) != 1 or rate < 2 or rate % 1 or not all(fit.dense for fit in fits.values()):
        return None
    video, fit = next(iter(fits.items()))
    message = (
        f"{given.source}: the last frames with anybody are {1 / rate:.0%} into all {len(fits)} videos, "
        f"{video.name} {fit.last} of {fit.frames}; if every {rate:g}. frame was looked at, number them so"
    )
    return BoxFinding("warning", message, tuple(fits))


def _strided(given: GivenPersons, fits: Mapping[Path, _Fit]) -> BoxFinding | None:
    stride = math.gcd(*(fit.stride for fit in fits.values()))
    if stride < 2:
        return None
    message = (
        f"{given.source}: only frames 0, {stride}, {2 * stride}, … have anybody: --frame-stride {stride} "
        "reads these alone"
    )
    return BoxFinding("warning", message, tuple(fits), options=True)


def _size(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]} x {size_px[1]}"


def _finding(
    given: GivenPersons, fits: Mapping[Path, _Fit], count: Callable[[_Fit], int], what: str
) -> BoxFinding | None:
    """Say of how many boxes something holds, and of which videos; an error where it is all of a video's."""
    found = {video: fit for video, fit in fits.items() if count(fit)}
    if not found:
        return None
    whole = [video for video, fit in found.items() if fit.outside + fit.late >= fit.boxes]
    boxes = sum(map(count, found.values()))
    named = [f"{video.name} {count(fit)} of {fit.boxes}" for video, fit in list(found.items())[:_NAMED]]
    more = f" and {len(found) - _NAMED} more videos" if len(found) > _NAMED else ""
    noun = given.noun
    hint = f"; of {len(whole)} none is left: {noun} of other videos, or of a copy of another size?"
    message = f"{given.source}: {boxes} {noun} {what}: {', '.join(named)}{more}{hint if whole else ''}"
    return BoxFinding("error" if whole else "warning", message, tuple(found))


def _counted_from_one(source: str, fits: Mapping[Path, _Fit]) -> BoxFinding | None:
    """Say that frames are counted from 1, where videos tell so and none speaks against it."""
    late = [video for video, fit in fits.items() if fit.late]
    if not late or any(fit.first < 1 or fit.last > fit.frames > 0 for fit in fits.values()):
        return None
    last = f"{late[0].name}: frame {fits[late[0]].last} of {fits[late[0]].frames}"
    message = (
        f"{source}: frames seem to be counted from 1, so that each is a frame late: no video has one of "
        f"frame 0, and in {len(late)} of {len(fits)} the last is behind the last frame ({last}); say "
        "--first-frame 1"
    )
    return BoxFinding("error", message, tuple(late))
