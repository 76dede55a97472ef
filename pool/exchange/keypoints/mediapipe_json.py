"""MediaPipe's landmarks in JSON: a list of frames, or an object of them.

A frame has 33 landmarks, or lists of 33, as objects with x and y, as lists of numbers or by name, under
whatever names MediaPipe's interfaces give them: `landmarks`, `poseLandmarks`, `pose_world_landmarks`, ….
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.errors import shorten
from heatpool.pool.exchange.keypoints.json_files import load_json
from heatpool.pool.exchange.keypoints.landmarks import FRAME_KEYS, LANDMARK_NAMES, Landmarks, as_landmark_name

__all__ = ["json_landmarks"]

_JOINTS = len(LANDMARK_NAMES)
_PICTURE_KEYS = ("poselandmarks", "landmarks", "landmark", "keypoints", "pose", "normalizedlandmarks")
_WORLD_KEYS = ("poseworldlandmarks", "worldlandmarks", "keypoints3d")
_LIST_KEYS = ("frames", "data", "results", "poses", "landmarks", "poselandmarks")
_FACTS = {"fps": "fps", "width_px": "width", "height_px": "height"}
_MOST_OF_A_FACT = 100_000


def json_landmarks(path: Path, *, world: bool) -> Landmarks:
    """Read landmarks of a JSON file.

    Args:
        path: of the file.
        world: those in space where a frame has both.

    Raises:
        HeatpoolError: if it is no JSON.
        ValueError: if no frame has landmarks.
    """
    content = load_json(path)
    numbers: list[int] = []
    persons: list[list[list[float]]] = []
    last = -1
    for position, (number, node) in enumerate(_frames(content)):
        last = max(position if number is None else number, last)
        found = list(_persons(node, world=world))
        persons += found
        numbers += [position if number is None else number] * len(found)
    if not persons:
        which = "world landmarks" if world else "landmarks"
        raise ValueError(f"expected 33 {which} with x and y in frames, got {shorten(content)}")
    first = 1 if min(numbers) == 1 else 0
    return Landmarks.of(
        np.array(numbers) - first, np.array(persons), frames=last + 1 - first, **_facts(content)
    )


def _facts(content: Any) -> dict[str, Any]:
    """Frame rate and size of the picture, where the file says them in so many words."""
    given = content if isinstance(content, dict) else {}
    facts = {name: given.get(key) for name, key in _FACTS.items()}
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, int if name != "fps" else int | float) and 0 < value < _MOST_OF_A_FACT
    }


def _frames(content: Any) -> Iterator[tuple[int | None, Any]]:
    """Number of each frame, None where it has none, and what it holds."""
    if isinstance(content, dict):
        if content and all(str(key).isdecimal() for key in content):
            yield from ((int(key), node) for key, node in content.items())
            return
        lists = [
            value for key, value in content.items() if _plain(key) in _LIST_KEYS and isinstance(value, list)
        ]
        content = lists[0] if lists else [content]
    if not isinstance(content, list):
        return
    for node in [content] if _person(content) else content:
        number = None
        if isinstance(node, dict):
            number = next((node[key] for key in FRAME_KEYS if isinstance(node.get(key), int)), None)
        yield number, node


def _persons(node: Any, *, world: bool) -> Iterator[list[list[float]]]:
    """Landmarks of the persons of a frame, x, y, z and visibility of each."""
    person = _person(node)
    if person:
        yield person
    elif isinstance(node, list):
        for each in node:
            yield from _persons(each, world=world)
    elif isinstance(node, dict):
        keys = {_plain(key): key for key in node}
        wanted = next((keys[key] for key in (_WORLD_KEYS if world else _PICTURE_KEYS) if key in keys), None)
        if wanted is not None:
            yield from _persons(node[wanted], world=world)


def _person(node: Any) -> list[list[float]] | None:
    if isinstance(node, dict):
        by_name = {as_landmark_name(key): value for key, value in node.items()}
        node = [by_name.get(name) for name in LANDMARK_NAMES] if set(LANDMARK_NAMES) <= set(by_name) else None
    if not isinstance(node, list) or len(node) != _JOINTS:
        return None
    landmarks = [_landmark(each) for each in node]
    return [each for each in landmarks if each] if all(landmarks) else None


def _landmark(node: Any) -> list[float] | None:
    """x, y, z and visibility."""
    if isinstance(node, dict):
        visibility = node.get("visibility", node.get("score", 1.0))
        values = [node.get("x"), node.get("y"), node.get("z", 0.0), visibility]
    elif isinstance(node, list) and 2 <= len(node) <= 5:
        values = [*node[:4], *((0.0, 1.0)[len(node) - 2 :] if len(node) < 4 else ())]
    else:
        return None
    if not all(isinstance(value, int | float) for value in values):
        return None
    return [float(value) for value in values]


def _plain(key: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(key).lower())
