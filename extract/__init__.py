"""Stage one: videos in, per-joint features out."""

from __future__ import annotations

from heatpool.pool.exports import lazy_exports

__all__, __getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Clip": "datasets.manifest",
        "ClipJob": "video.clip_events",
        "DatasetSpec": "datasets.spec",
        "EngineOptions": "engine.engine",
        "LiveWindow": "engine.live",
        "Manifest": "datasets.manifest",
        "extract_clips": "engine.engine",
        "extract_live": "engine.live",
        "iter_frames": "video.reader",
        "probe": "video.reader",
        "read_manifest": "datasets.manifest",
        "read_videos": "datasets.folder",
    },
)
