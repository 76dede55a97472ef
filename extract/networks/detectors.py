"""Where persons are: an ultralytics network, a file of boxes, or the whole frame."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heatpool.extract.networks.ultralytics import PersonNetwork
from heatpool.extract.records import Detections, Frame
from heatpool.pool.errors import HeatpoolError

__all__ = ["BoxesFile", "FullFrame", "UltralyticsDetector"]


class FullFrame:
    """One person that fills the frame: for clips that are cut out already."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the frame itself as the only box of each frame."""
        found = []
        for frame in frames:
            height, width = frame.rgb.shape[:2]
            box = np.array([[0, 0, width, height]], np.float32)
            found.append(Detections(box, np.ones(1, np.float32)))
        return found


class BoxesFile:
    """Boxes made beforehand, from a CSV with the columns path, frame, x1, y1, x2, y2, score.

    Frames are numbered from 0 in the video, boxes are pixels of the frame as it is shown: upright, in square
    pixels. A relative path is looked up beside the CSV, then in `root`.

    Args:
        path: CSV file.
        videos: video of each clip, so that a `Frame` finds its boxes.
        root: folder that the paths may also be relative to.
        min_score: boxes below are left out.

    Raises:
        HeatpoolError: if the file cannot be read or none of its paths is one of `videos`.
    """

    def __init__(self, path: Path, *, videos: Sequence[Path], root: Path, min_score: float = 0.0) -> None:
        wanted: dict[Path, list[int]] = defaultdict(list)
        for clip, video in enumerate(videos):
            wanted[video.resolve()].append(clip)
        self._boxes: dict[tuple[int, int], list[tuple[float, ...]]] = defaultdict(list)
        named: dict[str, list[int]] = {}
        for row in _read_boxes(path):
            name = row[0]
            if name not in named:
                places = ((path.parent / name).resolve(), (root / name).resolve())
                named[name] = next((wanted[place] for place in places if place in wanted), [])
            for clip in named[name] if row[2][4] >= min_score else ():
                self._boxes[clip, row[1]].append(row[2])
        if not any(named.values()):
            example = next(iter(named), "no row at all")
            raise HeatpoolError(
                f"expected boxes for the videos in {path}, got none (its first path: {example})"
            )

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the file's boxes of each frame."""
        found = []
        for frame in frames:
            rows = sorted(self._boxes.get((frame.clip, frame.index), ()), key=lambda row: -row[4])
            table = np.array(rows, np.float32).reshape(-1, 5)
            found.append(Detections(table[:, :4], table[:, 4]))
        return found


def _read_boxes(path: Path) -> list[tuple[str, int, tuple[float, ...]]]:
    columns = ("path", "frame", "x1", "y1", "x2", "y2", "score")
    rows: list[tuple[str, int, tuple[float, ...]]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if not set(columns) <= set(header):
                raise HeatpoolError(
                    f"expected columns {', '.join(columns)} in {path}, got {', '.join(header)}"
                )
            at = [header.index(name) for name in columns]
            for row in reader:
                name, frame, *numbers = (row[place] for place in at)
                box = tuple(float(number) for number in numbers)
                if not np.isfinite(box).all() or box[0] >= box[2] or box[1] >= box[3]:
                    raise ValueError(f"box {numbers}")
                rows.append((name, int(frame), box))
    except OSError as error:
        raise HeatpoolError(f"expected a boxes file, cannot read {path}: {error.strerror}") from error
    except (ValueError, IndexError, UnicodeDecodeError, csv.Error) as error:
        line = len(rows) + 2
        raise HeatpoolError(
            f"expected a frame number and x1 < x2, y1 < y2, got {error} in line {line} of {path}"
        ) from error
    return rows


class UltralyticsDetector(PersonNetwork):
    """A person detector of the ultralytics family."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Run the network on frames."""
        return self.run(frames, lambda image: image.place.detections(image.rows.cpu().numpy())[0])
