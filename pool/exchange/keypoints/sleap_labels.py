"""SLEAP's `.slp`: tables of frames, persons and points, beside them videos and skeletons as JSON.

Axis letters: R persons of frames, V joints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import shorten
from heatpool.pool.exchange.keypoints.json_files import expect_dict, expect_list
from heatpool.pool.exchange.keypoints.plain_hdf5 import find_group, open_hdf5, read_texts, read_values
from heatpool.pool.exchange.keypoints.pose_rows import PoseReader, make_skeleton, pose_video, unique_names
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import Skeleton

if TYPE_CHECKING:
    import h5py

__all__ = ["SleapLabels"]

_FRAME_COLUMNS = ("frame_id", "video", "frame_idx", "instance_id_start", "instance_id_end")
_PERSON_COLUMNS = (
    "instance_id", "instance_type", "frame_id", "skeleton", "track", "from_predicted", "score",
    "point_id_start", "point_id_end",
)  # fmt: skip
_PREDICTED = 1
_CENTRED = 1.1  # the format from which on the middle of the first pixel is at 0, not its corner


@dataclass(frozen=True)
class _Video:
    """What is known of a video; zeros where nothing is."""

    name: str
    frames: int = 0
    height_px: int = 0
    width_px: int = 0
    fps: float = 0.0


class SleapLabels(PoseReader):
    """A `PoseFile` of an `.slp`; points are read video by video.

    Raises:
        HeatpoolError: if the file is damaged.
    """

    kind = "SLEAP"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with open_hdf5(path) as file:
            attributes = find_group(file, "metadata").attrs
            self._shift = 0.0 if float(attributes.get("format_id", 1.0)) >= _CENTRED else -0.5
            records = [expect_dict(parse_json(text), "a video") for text in read_texts(file, "videos_json")]
            videos = [_video(_with_source(file, record)) for record in records]
            frames = _table(file, "frames", _FRAME_COLUMNS)
            persons = _table(file, "instances", _PERSON_COLUMNS)
            skeletons = _skeletons(parse_json(attributes["json"]))
            self._frames, self._persons = self._kept(frames, persons, _video_ids(records))
            self.skeleton = self._choose(skeletons)
        self._videos = videos
        self.names = unique_names(video.name for video in videos)

    def _kept(
        self, frames: Mapping[str, np.ndarray], persons: Mapping[str, np.ndarray], ids: Mapping[int, int]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Video and frame of each person, and the persons, without predictions that a user has corrected."""
        start, end, total = frames["instance_id_start"], frames["instance_id_end"], len(persons["track"])
        if len(start) and not (start.min() >= 0 and (start <= end).all() and end.max() <= total):
            raise ValueError(f"expected frames of its {total:,} instances, got others")
        unknown = set(np.unique(frames["video"]).tolist()) - set(ids)
        if unknown:
            raise ValueError(f"expected frames of its {len(ids)} videos, got one of video {min(unknown)}")
        counts = end - start
        of_frame = np.repeat(np.arange(len(start)), counts)
        rows = np.arange(len(of_frame)) - np.repeat(np.cumsum(counts) - counts - start, counts)
        place = {number: at for number, at in ids.items()}
        video = np.array([place[each] for each in frames["video"].tolist()], np.int64)[of_frame]
        of_person = {"video": video, "frame": frames["frame_idx"][of_frame], "labelled": of_frame}
        kept = {name: values[rows] for name, values in persons.items()}
        corrected = _corrected(of_frame, kept)
        self._remarks["predictions that a user has corrected are left out"] += int(corrected.sum())
        return tuple({name: each[~corrected] for name, each in table.items()} for table in (of_person, kept))  # type: ignore[return-value]

    def _choose(self, skeletons: Sequence[Skeleton]) -> Skeleton:
        """The skeleton of most persons, and only those."""
        held = self._persons["skeleton"]
        if len(held) and held.max() >= len(skeletons):
            raise ValueError(f"expected instances of its {len(skeletons)} skeletons, got one of {held.max()}")
        if not skeletons:
            raise ValueError("expected a skeleton, got none")
        number = int(np.bincount(held).argmax()) if len(held) else 0
        others = held != number
        self._remarks["persons of other skeletons are left out"] += int(others.sum())
        self._frames = {name: values[~others] for name, values in self._frames.items()}
        self._persons = {name: values[~others] for name, values in self._persons.items()}
        return skeletons[number]

    def read(self, number: int) -> PoseVideo:
        """The keypoints of a video. Raises HeatpoolError if they are damaged."""
        video, rows = self._videos[number], np.flatnonzero(self._frames["video"] == number)
        persons = {name: values[rows] for name, values in self._persons.items()}
        predicted = persons["instance_type"] == _PREDICTED
        points = np.full((len(rows), self.skeleton.joints, 3), np.nan)
        with open_hdf5(self._path) as file:
            for table, chosen in (("pred_points", predicted), ("points", ~predicted)):
                starts, ends = persons["point_id_start"][chosen], persons["point_id_end"][chosen]
                points[chosen] = _points(file, table, starts, ends, self.skeleton.joints)
            return pose_video(
                self.names[number],
                frame=self._frames["frame"][rows],
                track=persons["track"],
                joints=points[..., :2] + self._shift,
                joint_score=points[..., 2],
                score=np.where(predicted, persons["score"], np.nan),
                remarks=self._remarks,
                width_px=video.width_px,
                height_px=video.height_px,
                fps=video.fps,
                frames=video.frames,
            )


def _table(file: h5py.File, name: str, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a table, which are told by their places: SLEAP has given some other names."""
    table = read_values(file, name)
    held = table.dtype.names or ()
    if table.ndim != 1 or len(held) < len(columns):
        raise ValueError(f"expected a table {name} with {', '.join(columns)}, got {shorten(table.dtype)}")
    values = {column: table[each] for column, each in zip(columns, held, strict=False)}
    whole = {column: each if column == "score" else each.astype(np.int64) for column, each in values.items()}
    return whole


def _corrected(of_frame: np.ndarray, persons: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which predictions a user's label of the same frame stands for: by reference, or by track."""
    predicted = persons["instance_type"] == _PREDICTED
    users = ~predicted
    origins = persons["from_predicted"]
    by_reference = np.isin(persons["instance_id"], origins[users & (origins >= 0)])
    tracked = persons["track"] >= 0
    key = of_frame * (int(persons["track"].max(initial=0)) + 1) + persons["track"]
    by_track = tracked & np.isin(key, key[users & tracked])
    return np.asarray(predicted & (by_reference | by_track))


def _points(file: h5py.File, name: str, starts: np.ndarray, ends: np.ndarray, joints: int) -> np.ndarray:
    """(R, V, 3) x, y and score of persons; NaN where a point is not visible."""
    if not len(starts):
        return np.empty((0, joints, 3))
    if (ends - starts != joints).any() or starts.min() < 0:
        raise ValueError(f"expected {joints} points of each instance, got {int((ends - starts).max())}")
    first = int(starts.min())
    table = read_values(file, name, slice(first, int(ends.max())))
    if len(table) < ends.max() - first:
        raise ValueError(f"expected {int(ends.max()):,} {name}, got {first + len(table):,}")
    rows = (starts - first)[:, None] + np.arange(joints)
    held = table.dtype.names or ()
    visible = table["visible"] if "visible" in held else np.ones(len(table), bool)
    score = np.where(visible, table["score"] if "score" in held else 1.0, np.nan)
    return np.stack([table["x"], table["y"], score], -1)[rows]


def _with_source(file: h5py.File, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A video with the one that it was embedded from, which old packages keep beside its pictures."""
    backend = record.get("backend")
    dataset = str(backend.get("dataset") or "") if isinstance(backend, dict) else ""
    group = dataset.strip("/").rpartition("/")[0]
    if record.get("source_video") or group not in set(file):
        return record
    if "source_video" not in set(find_group(file, group)):
        return record
    source = find_group(file, f"{group}/source_video").attrs.get("json")
    return {**record, "source_video": parse_json(source)} if isinstance(source, str | bytes) else record


def _video(record: Mapping[str, Any]) -> _Video:
    """A video; of one that is embedded that which it was taken from."""
    while isinstance(record.get("source_video"), dict) and record["source_video"]:
        record = record["source_video"]
    backend = record.get("backend")
    backend = backend if isinstance(backend, dict) else {}
    name = backend.get("filename") or record.get("filename") or ""
    several = record.get("filename") if isinstance(record.get("filename"), list) else backend.get("filenames")
    if isinstance(several, list) and several:  # pictures: their folder is the video
        name = str(several[0]).replace("\\", "/").rpartition("/")[0]
    shape = backend.get("shape")
    known = isinstance(shape, list) and len(shape) == 4 and all(isinstance(side, int) for side in shape)
    frames, height, width = shape[:3] if known and isinstance(shape, list) else (0, 0, 0)
    fps = backend.get("fps")
    rate = float(fps) if isinstance(fps, int | float) and 0 < fps < 1e4 else 0.0
    return _Video(str(name), max(frames, 0), max(height, 0), max(width, 0), rate)


def _video_ids(records: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Place of each video by the number that frames have for it: of an embedded one that of its group."""
    ids = {}
    for place, record in enumerate(records):
        backend = record.get("backend")
        dataset = backend.get("dataset") if isinstance(backend, dict) else None
        group = re.match(r"/?video(\d{1,9})/", str(dataset or ""))
        ids[int(group[1]) if group else place] = place
    return ids


def _skeletons(metadata: Any) -> list[Skeleton]:
    body = expect_dict(metadata, "metadata")
    nodes = [str(expect_dict(node, "a node").get("name")) for node in expect_list(body.get("nodes"), "nodes")]
    return [
        _skeleton(expect_dict(each, "a skeleton"), nodes)
        for each in expect_list(body.get("skeletons"), "skeletons")
    ]


def _skeleton(record: Mapping[str, Any], nodes: Sequence[str]) -> Skeleton:
    ids = [expect_dict(node, "a node")["id"] for node in expect_list(record.get("nodes"), "nodes")]
    place = {node: at for at, node in enumerate(ids)}
    edges, kinds = [], []
    for link in expect_list(record.get("links", []), "links"):
        kind = expect_dict(link, "a link").get("type", {})
        if "py/reduce" in kind:
            value = kind["py/reduce"][1]
            kinds.append(value["py/tuple"][0] if isinstance(value, dict) else value[0])
        # 1 is an edge, 2 a symmetry; later links name the first of their kind by its number.
        if (kinds[-1] if "py/reduce" in kind else kinds[kind["py/id"] - 1] if "py/id" in kind else 1) == 1:
            edges.append((place[link["source"]], place[link["target"]]))
    graph = record.get("graph")
    name = graph.get("name") if isinstance(graph, dict) else None
    return make_skeleton(str(name or "sleap"), [nodes[node] for node in ids], edges)
