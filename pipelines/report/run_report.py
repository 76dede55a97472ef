"""The report of a run folder, with the videos and the pose network found again for its pictures."""

from __future__ import annotations

from pathlib import Path

from extract.hrnet.backbone import BatchNorm
from extract.manifest import read_videos
from extract.records import PoseBackbone
from pipelines.backends import build_backbone
from pipelines.report.write import write_report
from pipelines.run_file import read_run_file, videos_root
from pool.store import FeatureStore

__all__ = ["report_run"]


def report_run(run: Path, store: FeatureStore, *, videos: Path | None = None) -> Path:
    """Write `report.html` of a run folder.

    Args:
        run: run folder of heatpool train.
        store: the store it was trained on.
        videos: folder or manifest of the videos; by default where they lay when they were extracted.

    Returns:
        Path of the report. Pictures that cannot be made, for want of videos or of the network's weights,
        are named as missing in it.

    Raises:
        HeatpoolError: if the run is not finished, `videos` is not there or the weights are damaged.
    """
    root = read_videos(videos).root if videos is not None else videos_root(store.path)
    return write_report(run, store, videos_root=root, backbone=_backbone(store) if root else None)


def _backbone(store: FeatureStore) -> PoseBackbone | None:
    """Load the store's pose network again; None when its weights are not on this machine."""
    weights = read_run_file(store.path).get("options", {}).get("weights")
    path = Path(weights) if weights else None
    by_path = store.spec.backbone in ("onnx", "hrnet-simcc")
    if by_path and (path is None or not path.is_file()):
        return None
    tap = store.spec.tap if by_path else None
    batchnorm: BatchNorm = "published" if store.spec.config.get("batchnorm") == "published" else "eval"
    return build_backbone(store.spec.backbone, weights=path, tap=tap, device="cpu", batchnorm=batchnorm)
