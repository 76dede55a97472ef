"""Whether boxes made beforehand fit the videos that they are for, by the size and the number of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from heatpool.extract.datasets.boxes import GivenBoxes, VideoBoxes

__all__ = ["BoxFinding", "VideoSize", "check_boxes"]

_SLACK_PX = 1.0  # so far over the edge is rounding
_NAMED = 3  # videos that a line writes out


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
    """

    level: Literal["error", "warning"]
    message: str
    videos: tuple[Path, ...]


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
        small: all of them lie in the upper left quarter.
    """

    boxes: int
    first: int
    last: int
    frames: int
    late: int
    outside: int
    over: int
    small: bool

    @classmethod
    def of(cls, given: VideoBoxes, size: VideoSize) -> _Fit:
        """Compare the boxes of a video, of which there is one at least, with it."""
        edge = np.array([size.width_px, size.height_px])
        low, high = given.boxes_xyxy_px[:, :2], given.boxes_xyxy_px[:, 2:]
        outside = ((low >= edge) | (high <= 0)).any(1)
        over = ((low < -_SLACK_PX) | (high > edge + _SLACK_PX)).any(1) & ~outside
        late = int((given.frames >= size.frames).sum()) if size.frames else 0
        return cls(
            boxes=len(given),
            first=int(given.frames[0]),
            last=int(given.frames[-1]),
            frames=size.frames,
            late=late,
            outside=int(outside.sum()),
            over=int(over.sum()),
            small=bool((high <= edge / 2).all()),
        )


def check_boxes(given: GivenBoxes, sizes: Mapping[Path, VideoSize]) -> list[BoxFinding]:
    """Say which boxes do not fit their videos.

    Args:
        given: the boxes.
        sizes: of the videos that could be read.
    """
    fits = {
        video: _Fit.of(given.videos[video], size) for video, size in sizes.items() if len(given.videos[video])
    }
    findings = [
        _finding(given.source, fits, lambda fit: fit.outside, "lie outside the picture and are left out"),
        _finding(
            given.source, fits, lambda fit: fit.over, "reach out of the picture and are cut at its edge"
        ),
        _counted_from_one(given.source, fits)
        or _finding(given.source, fits, lambda fit: fit.late, "are of frames that the video does not have"),
    ]
    if fits and all(fit.small for fit in fits.values()):
        message = (
            f"{given.source}: the boxes of all {len(fits)} videos lie in the upper left quarter of the "
            "picture; if they were made on a smaller copy, multiply them by its scale"
        )
        findings.append(BoxFinding("warning", message, tuple(fits)))
    return [finding for finding in findings if finding]


def _finding(
    source: str, fits: Mapping[Path, _Fit], count: Callable[[_Fit], int], what: str
) -> BoxFinding | None:
    """Say of how many boxes something holds, and of which videos; an error where it is all of a video's."""
    found = {video: fit for video, fit in fits.items() if count(fit)}
    if not found:
        return None
    whole = [video for video, fit in found.items() if fit.outside + fit.late >= fit.boxes]
    boxes = sum(map(count, found.values()))
    named = [f"{video.name} {count(fit)} of {fit.boxes}" for video, fit in list(found.items())[:_NAMED]]
    more = f" and {len(found) - _NAMED} more videos" if len(found) > _NAMED else ""
    hint = f"; of {len(whole)} none is left: boxes of other videos, or of a copy of another size?"
    message = f"{source}: {boxes} boxes {what}: {', '.join(named)}{more}{hint if whole else ''}"
    return BoxFinding("error" if whole else "warning", message, tuple(found))


def _counted_from_one(source: str, fits: Mapping[Path, _Fit]) -> BoxFinding | None:
    """Say that frames are counted from 1, where videos tell so and none speaks against it."""
    late = [video for video, fit in fits.items() if fit.late]
    if not late or any(fit.first < 1 or fit.last > fit.frames > 0 for fit in fits.values()):
        return None
    last = f"{late[0].name}: frame {fits[late[0]].last} of {fits[late[0]].frames}"
    message = (
        f"{source}: frames seem to be counted from 1, so that each box is a frame late: no video has one of "
        f"frame 0, and in {len(late)} of {len(fits)} the last is behind the last frame ({last}); subtract 1"
    )
    return BoxFinding("error", message, tuple(late))
