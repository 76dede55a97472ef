"""What a file of boxes or keypoints gives for the videos that are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import Skeleton

__all__ = ["GivenPersons", "list_some"]

_NAMED = 5  # values that a line writes out


@dataclass(frozen=True, eq=False)
class GivenPersons:
    """Persons that a file gives for some videos: boxes, and perhaps who is who and joints.

    Attributes:
        source: name of the file or folder.
        videos: persons of each video that is wanted, with boxes, frame after frame; of one that the file does
            not name, none. Of keypoints they are read when they are asked for, which raises HeatpoolError if
            they are damaged.
        named: videos that the file names.
        order: the videos as they were asked for, one as often as it was.
        min_score: persons below do not count.
        noun: what the file holds, for messages: boxes, persons.
        kind: who wrote it: "SLEAP", "COCO JSON"; "" for boxes.
        skeleton: of the joints; None for boxes alone.
        tracked: whether the file says who is who.
        wrong: lines on what is wrong with it.
        notes: lines on what else it holds.
    """

    source: str
    videos: Mapping[Path, PoseVideo]
    named: tuple[Path, ...]
    order: tuple[Path, ...]
    min_score: float = 0.0
    noun: str = "boxes"
    kind: str = ""
    skeleton: Skeleton | None = None
    tracked: bool = False
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of_clip(self, clip: int) -> PoseVideo:
        """Return the persons of a clip's video, by the clip's place in `order`."""
        return self.videos[self.order[clip]]


def list_some(values: Sequence[str]) -> str:
    """Return the first of some values for a line, and how many more there are."""
    return ", ".join(values[:_NAMED]) + (f" and {len(values) - _NAMED} more" if len(values) > _NAMED else "")
