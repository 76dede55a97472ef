"""Versions of the packages that make features, in this process and in those of the workers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from heatpool.pipelines.extraction.shard_counts import ShardCounts
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.store.attributes import code_version
from heatpool.pool.store.versions import Versions, check_versions, describe_versions

__all__ = ["VersionWatch", "versions_at_work"]

# Whose numbers are in every feature: decoded pictures, crops, networks.
_ALWAYS = {"av": "av", "numpy": "numpy", "opencv": "cv2", "pillow": "PIL", "torch": "torch"}
_FFMPEG = ("libavcodec", "libswscale")  # PyAV's own; one release of it comes with several


def versions_at_work(options: ExtractOptions) -> Versions:
    """Versions in this process of what makes features by options whose choices are made."""
    import av

    modules = _ALWAYS | {name: name for name in _network_packages(options)}
    found = {name: import_module(module).__version__ for name, module in modules.items()}
    found |= {name: ".".join(map(str, av.library_versions[name])) for name in _FFMPEG}
    found["heatpool"] = code_version()
    return {name: (str(version),) for name, version in sorted(found.items())}


def _network_packages(options: ExtractOptions) -> Iterator[str]:
    suffixes = {Path(each).suffix.lower() for each in (options.weights, options.detector) if each}
    if options.backend == "yolo-pose" or options.detector == "tiny" or ".pt" in suffixes:
        yield "ultralytics"
    if options.runtime == "onnxruntime" or (".onnx" in suffixes and options.runtime != "openvino"):
        yield "onnxruntime"
    if options.runtime == "openvino":
        yield "openvino"
    if options.backend == "vitpose" or options.rgb in ("clip", "xclip"):
        yield "transformers"


class VersionWatch:
    """Tells, once for each, which other versions workers have than the process that shares out the work.

    Args:
        planned: versions of this process.
        backbone: name of the pose network.
    """

    def __init__(self, planned: Versions, *, backbone: str) -> None:
        self._planned, self._backbone = planned, backbone
        self._told: set[str] = set()

    def see(self, counts: ShardCounts) -> None:
        """Look at a finished shard. Other versions that are known to move features end a worker before."""
        versions = describe_versions(counts.versions)
        if versions and versions not in self._told:
            self._told.add(versions)
            makers = {"here": self._planned, f"worker {counts.worker}": counts.versions}
            check_versions(makers, backbone=self._backbone, mixed=True)
