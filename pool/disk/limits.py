"""What files may claim, decided before anything is allocated by what is cheap: sizes, headers, counts.

A few kilobytes can say 10^12 clips, or unfold to gigabytes. Whoever has honest files beyond these limits
raises them in the environment; docs/faults.md lists them.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from heatpool.pool.errors import HeatpoolError, shorten

if TYPE_CHECKING:
    import yaml
    from torch import nn

__all__ = [
    "MAX_CLIP_VALUES",
    "UNPACKED_RATIO",
    "bounded_network",
    "check_clip_count",
    "check_members",
    "check_unpacked",
    "memory_limit",
    "parse_json",
    "parse_yaml",
    "read_limit",
]

MAX_CLIP_VALUES = 1 << 28
"""Files from elsewhere may not claim clips of more values than this (1 GiB of float32)."""

UNPACKED_RATIO = 64
"""What is honest unfolds to fewer times its size on disk, or is small."""

_MOST_FILE_MB = ("HEATPOOL_MAX_FILE_MB", 1000.0)
_MOST_UNPACKED_MB = ("HEATPOOL_MAX_UNPACKED_MB", 256.0)
_MOST_CLIPS = ("HEATPOOL_MAX_CLIPS", 20e6)
_MOST_YAML_VALUES = 100_000


def read_limit(setting: tuple[str, float]) -> float:
    """Return a limit, name and default, that an environment variable of this name may change.

    Raises:
        HeatpoolError: if the variable is no number from 0 on.
    """
    name, default = setting
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise HeatpoolError(f"expected {name} to be a number from 0 on, got {shorten(text)}")
    return value


def memory_limit() -> int:
    """Most bytes that a file may have which is read whole into memory."""
    return int(read_limit(_MOST_FILE_MB) * 1e6)


def check_clip_count(name: str, clips: int) -> None:
    """Refuse a store or file that claims more clips than anybody has.

    Raises:
        HeatpoolError: with the limit and how to raise it.
    """
    most = int(read_limit(_MOST_CLIPS))
    if clips > most:
        raise HeatpoolError(
            f"{name}: refused, it claims {clips:,} clips; {_MOST_CLIPS[0]} in the environment, now {most:,}, "
            "raises the limit"
        )


def check_unpacked(name: str, what: str, claimed: int, *, packed: int) -> None:
    """Refuse what would take far more memory than the bytes that it lies in.

    Args:
        name: of the file.
        what: in it is to be read.
        claimed: bytes that it takes in memory, as the file says.
        packed: bytes of the file.

    Raises:
        HeatpoolError: with the limit and how to raise it.
    """
    most = max(int(read_limit(_MOST_UNPACKED_MB) * 1e6), UNPACKED_RATIO * packed)
    if claimed > most:
        limit = f"{_MOST_UNPACKED_MB[0]} in the environment, now {read_limit(_MOST_UNPACKED_MB):g}"
        claimed_mb, packed_mb = claimed / 1e6, packed / 1e6
        raise HeatpoolError(
            f"{name}: refused, {what} would take {claimed_mb:,.0f} MB, the file has {packed_mb:,.1f} MB; "
            f"{limit}, raises the limit"
        )


def check_members(name: str, members: Iterable[zipfile.ZipInfo], *, packed: int) -> None:
    """Refuse members of a zip file that unfold to far more than it has bytes. Raises as `check_unpacked`."""
    check_unpacked(name, "its content", sum(each.file_size for each in members), packed=packed)


@contextmanager
def bounded_network(name: str, *, packed: int) -> Iterator[None]:
    """Refuse, while a torch network is built, one far larger than its file, before its values are made.

    Args:
        name: of the file, for messages.
        packed: bytes of the file of its weights.

    Raises:
        HeatpoolError: as `check_unpacked`.
    """
    from torch.nn.modules.module import register_module_parameter_registration_hook

    claimed = 0

    def look(module: nn.Module, parameter: str, value: nn.Parameter | None) -> None:
        nonlocal claimed
        if value is not None:
            claimed += value.numel() * value.element_size()
            check_unpacked(name, "its network", claimed, packed=packed)

    hook = register_module_parameter_registration_hook(look)
    try:
        yield
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise HeatpoolError(
            f"{name}: refused, its network would take more memory than there is, the file has "
            f"{packed / 1e6:,.1f} MB"
        ) from error
    finally:
        hook.remove()


def parse_json(data: str | bytes) -> Any:
    """Parse JSON. Raises ValueError if it is none, or is nested deeper than Python's own limit."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("brackets within brackets without end") from error


def parse_yaml(text: str) -> Any:
    """Parse YAML of plain values.

    Raises:
        ValueError: if it is none, is nested too deeply, or unfolds to very many values by its aliases.
    """
    import yaml  # a tenth of a second that most programs save

    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        if (count := _count_values(root, {})) > _MOST_YAML_VALUES:
            raise ValueError(f"its aliases unfold to {count:,.0f} values")
        return loader.construct_document(root)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("brackets within brackets without end") from error


def _count_values(node: yaml.Node, known: dict[int, float]) -> float:
    """Values below a node, those behind an alias as often as it stands."""
    if id(node) not in known:
        known[id(node)] = math.inf  # of what holds itself
        value = node.value if isinstance(node.value, list) else []
        below = [each for part in value for each in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_count_values(each, known) for each in below)
    return known[id(node)]
