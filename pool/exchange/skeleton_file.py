"""Skeletons that users write down in YAML: names of joints, and which are joined."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heatpool.pool.disk.limits import parse_yaml
from heatpool.pool.disk.text_files import read_text
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.skeleton import Skeleton

__all__ = ["read_skeleton"]

_MAX_JOINTS = 4096  # a file that names more is no skeleton


def read_skeleton(path: str | Path) -> Skeleton:
    """Read a YAML skeleton file: `joints` (names in order), `edges` (pairs of names or numbers), `name`.

    Raises:
        HeatpoolError: if there is no such file, or it says something else.
    """
    try:
        content = parse_yaml(read_text(Path(path)))
    except ValueError as error:
        raise HeatpoolError(f"{path}: expected YAML, got {shorten(str(error))}") from error
    if not isinstance(content, dict) or not {"joints"} <= set(content) <= {"name", "joints", "edges"}:
        got = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise HeatpoolError(f"{path}: expected joints, edges and perhaps name, got {got[:60]}")
    try:
        return _parse(content, default_name=Path(path).stem)
    except (TypeError, ValueError) as error:
        raise HeatpoolError(f"{path}: {error}") from error


def _parse(content: Mapping[str, Any], *, default_name: str) -> Skeleton:
    """The skeleton that plain values describe; TypeError or ValueError if they do not."""
    names, edges = content["joints"], content.get("edges") or []
    if not isinstance(names, list) or not 0 < len(names) <= _MAX_JOINTS or not isinstance(edges, list):
        raise ValueError(f"expected joints and edges as lists, got {shorten(names)} and {shorten(edges)}")
    names = [str(name) for name in names]
    place = {name: number for number, name in enumerate(names)}

    def number(joint: object) -> int:
        if isinstance(joint, int) and not isinstance(joint, bool):
            return joint
        if str(joint) not in place:
            raise ValueError(f"expected edges between its joints, got {shorten(joint)}")
        return place[str(joint)]

    pairs = []
    for edge in edges:
        if not isinstance(edge, list) or len(edge) != 2:
            raise ValueError(f"expected edges as pairs of joints, got {shorten(edge)}")
        pairs.append((number(edge[0]), number(edge[1])))
    return Skeleton(str(content.get("name") or default_name), tuple(names), tuple(pairs))
