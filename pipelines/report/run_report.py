"""The report of a run folder, with the videos and the pose network found again for its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from heatpool.pipelines.extraction.run_file import read_run_file
from heatpool.pipelines.options.extract import ExtractOptions
from heatpool.pipelines.report.write import write_report
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from heatpool.extract.records import PoseBackbone

__all__ = ["report_run"]


def report_run(
    run: Path,
    store: FeatureStore,
    *,
    videos: Path | None = None,
    sheets: Sequence[tuple[Path, str]] = (),
) -> Path:
    """Write `report.html` of a run folder.

    Args:
        run: run folder of heatpool train.
        store: the store it was trained on.
        videos: folder or manifest of the videos; without it the page has no pictures: to decode and draw
            them takes longer than a small head takes to train.
        sheets: contact sheets to show below the sample clips, each with its caption.

    Returns:
        Path of the report. Pictures that cannot be made, for want of videos or of the network's weights,
        are named as missing in it.

    Raises:
        HeatpoolError: if the run is not finished, `videos` is not there or the weights are damaged.
    """
    root = None
    if videos is not None:
        from heatpool.extract.datasets.folder import read_videos  # pictures were asked for

        root = read_videos(videos).root
    load_network = partial(_load_network, store)
    return write_report(run, store, videos_root=root, load_network=load_network, sheets=sheets)


def _load_network(store: FeatureStore) -> PoseBackbone | None:
    """Load the store's pose network again; None when its weights are not on this machine.

    One-stage networks have no heatmaps to show.
    """
    name, settings = store.spec.backbone, store.spec.config
    weights = read_run_file(store).get("options", {}).get("weights")
    brings_own = name == "tiny"
    if name == "yolo-pose" or not (brings_own or (weights and Path(weights).exists())):
        return None
    import torch

    from heatpool.pipelines.extraction.backends import build_backbone

    options = ExtractOptions(
        backend=cast(Any, name),
        weights=None if brings_own else weights,
        tap=None if brings_own else store.spec.tap,
        batchnorm="published" if settings.get("batchnorm") == "published" else "eval",
        dtype="float32",  # a few frames on the processor
    )
    return cast("PoseBackbone", build_backbone(options, device=torch.device("cpu")))
