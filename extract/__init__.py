"""Stage one: videos in, per-joint features out."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Clip": "datasets.manifest",
    "ClipJob": "engine.clip_state",
    "DatasetSpec": "datasets.spec",
    "EngineOptions": "engine.engine",
    "Manifest": "datasets.manifest",
    "extract_clips": "engine.engine",
    "iter_frames": "video.reader",
    "probe": "video.reader",
    "read_manifest": "datasets.manifest",
    "read_videos": "datasets.folder",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: decoders and networks load for who needs them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
