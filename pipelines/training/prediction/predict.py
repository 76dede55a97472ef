"""From videos to classes, with the networks of a run and of its features."""

from __future__ import annotations

import csv
import io
import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.pipelines.options.extract import ExtractOptions
from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.process.device import pick_device
from heatpool.pipelines.runs.run_dir import read_seed_folders, read_summary
from heatpool.pipelines.training.evaluate import check_checkpoints, score_run
from heatpool.pool.disk.atomic import refuse_existing, write_text
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from heatpool.classify.scores.scores import ClipScores
    from heatpool.pipelines.extraction.run import ExtractPlan

__all__ = ["Prediction", "predict"]

_log = logging.getLogger(__name__)

# Of the options of an extraction, these say where and how fast, not what: a prediction has its own.
_NOT_KEPT = (
    "videos", "out", "workers", "scheduler", "limit", "window_s", "stride_s", "dry_run", "resume", "verify",
    "overwrite", "device", "threads", "boxes", "quiet",
)  # fmt: skip
# What decides the values of features. Detector and boxes may differ: a person is a person.
_DECIDING = ("backbone", "tap", "weights_sha256", "joints", "channels", "steps", "persons", "skeleton")


@dataclass(frozen=True)
class Prediction:
    """What was recognised in a clip.

    Attributes:
        path: of the video.
        start_s: start of the clip in the video, seconds.
        end_s: its end, None for the end of the video.
        status: of its extraction: ok, truncated, no_person or failed.
        reason: why it is not ok.
        labels: most probable first; empty if nothing could be extracted.
        probabilities: of these labels.
    """

    path: str
    start_s: float
    end_s: float | None
    status: str
    reason: str
    labels: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()

    def __str__(self) -> str:
        end = "end" if self.end_s is None else f"{self.end_s:.2f} s"
        window = "" if self.start_s == 0 and self.end_s is None else f" {self.start_s:.2f} s to {end}"
        pairs = zip(self.labels, self.probabilities, strict=True)
        best = ", ".join(f"{label} {100 * share:.1f} %" for label, share in pairs)
        problem = "" if self.status == "ok" else f" ({self.status}: {self.reason})"
        return f"{self.path}{window}: {best or 'no prediction'}{problem}"


def predict(
    options: PredictOptions, *, on_prediction: Callable[[Prediction], None] = lambda prediction: None
) -> tuple[Prediction, ...]:
    """Predict every clip of some videos; write predictions and annotated videos where they are asked for.

    Args:
        options: of the command.
        on_prediction: called with each as soon as all are known; drawing annotated videos takes longer.

    Raises:
        HeatpoolError: if the run is not finished, the features would not fit it, or no clip gives features.
    """
    if options.out is not None:
        refuse_existing(options.out, options.overwrite)
    folders = read_seed_folders(options.run)
    summary = read_summary(folders[0])
    check_checkpoints(folders[0], summary)
    if not options.videos.exists():
        raise HeatpoolError(f"expected a video, a folder or a manifest, {options.videos} does not exist")
    if len(folders) > 1:
        _log.info("of %d seeds the first predicts: %s", len(folders), folders[0])

    from heatpool.pipelines.drawing.annotate import annotated_paths, write_annotated_videos
    from heatpool.pipelines.extraction.run import carry_out

    with tempfile.TemporaryDirectory(prefix="heatpool-predict-") as scratch:
        plan = _plan(options, summary, Path(scratch) / "features.zarr")
        manifest, paths = plan.work.manifest, dict[Path, Path]()
        if options.annotate:
            paths = annotated_paths(options.annotate, manifest, overwrite=options.overwrite)
        carry_out(plan)
        store = FeatureStore.open(plan.work.store)
        scores = _scores(options, folders[0], summary, store)
        predictions = _predictions(plan, store, scores, top=options.top)
        if options.out is not None:
            write_text(options.out, _as_text(options.out.suffix, predictions), options.overwrite)
        for each in predictions:
            on_prediction(each)
        clips = [_annotated_clip(each) for each in predictions]
        write_annotated_videos(
            paths, manifest, store, clips, overwrite=options.overwrite, quiet=options.quiet
        )
    return predictions


def _plan(options: PredictOptions, summary: Mapping[str, Any], out: Path) -> ExtractPlan:
    """Load the networks that made the run's features, and the videos as clips without labels."""
    from heatpool.pipelines.extraction.run import prepare

    made = summary.get("extraction", {})
    spec, recorded = made.get("spec", {}), made.get("options", {})
    known = {field.name for field in fields(ExtractOptions)}
    base = {name: value for name, value in {**spec.get("config", {}), **recorded}.items() if name in known}
    base |= {name: spec[name] for name in ("persons", "steps") if name in spec}
    given = {
        "weights": options.weights, "detector": options.detector, "rgb_weights": options.rgb_weights
    }  # fmt: skip
    base |= {name: value for name, value in given.items() if value is not None}
    plan = prepare(
        ExtractOptions(
            videos=options.videos,
            out=out,
            boxes=options.boxes,
            window_s=options.window_s,
            stride_s=options.stride_s,
            device=options.device,
            threads=options.threads,
            quiet=options.quiet,
            **{name: value for name, value in base.items() if name not in _NOT_KEPT},
        )
    )
    got = asdict(plan.spec)
    differ = [name for name in _DECIDING if name in spec and spec[name] != got[name]]
    if differ:
        name = differ[0]
        raise HeatpoolError(
            f"expected features as those of the run, whose {name} is {spec[name]!r}, got {got[name]!r}; "
            "give the networks of its extraction with --weights"
        )
    clips = tuple(replace(clip, label=-1, class_name="", splits={}) for clip in plan.work.manifest.clips)
    manifest = replace(plan.work.manifest, clips=clips, class_names=tuple(summary["class_names"]))
    return replace(plan, work=replace(plan.work, manifest=manifest))


def _scores(
    options: PredictOptions, folder: Path, summary: Mapping[str, Any], store: FeatureStore
) -> ClipScores | None:
    """Return the fused scores of all clips that gave features, None if there are none."""
    from heatpool.classify.data.cache import LoaderCache

    rows = store.clips.rows()
    if not len(rows):
        return None
    device = pick_device(options.device)
    return score_run(folder, summary, store, rows, device=device, cache=LoaderCache())["fused"]


def _predictions(
    plan: ExtractPlan, store: FeatureStore, scores: ClipScores | None, *, top: int
) -> tuple[Prediction, ...]:
    """Put clips, outcomes and scores together, in the order of the clips."""
    probabilities: dict[str, np.ndarray] = {}
    if scores is not None:
        probabilities = dict(zip(scores.clip_ids, np.exp(scores.log_probabilities()), strict=True))
    predictions = []
    results = store.results(np.arange(len(store)))
    for clip, result in zip(plan.work.manifest.clips, results, strict=True):
        status = Status(result.status).name.lower()
        prediction = Prediction(str(clip.path), clip.start_s, clip.end_s, status, result.reason)
        if clip.clip_id in probabilities:
            of_clip = probabilities[clip.clip_id]
            best = np.argsort(-of_clip, kind="stable")[:top]
            prediction = replace(
                prediction,
                labels=tuple(store.clips.class_names[label] for label in best),
                probabilities=tuple(round(float(of_clip[label]), 4) for label in best),
            )
        predictions.append(prediction)
    return tuple(predictions)


def _annotated_clip(prediction: Prediction) -> Any:
    from heatpool.pipelines.drawing.annotate import AnnotatedClip

    rows = tuple(zip(prediction.labels, prediction.probabilities, strict=True))
    reason = f"{prediction.status}: {prediction.reason}"
    if prediction.status == "no_person":
        reason = "no person detected"
    return AnnotatedClip(prediction.start_s, prediction.end_s, rows, reason)


def _as_text(suffix: str, predictions: Sequence[Prediction]) -> str:
    """Return JSON, a list of predictions; or CSV, a row per clip with labels and probabilities by rank."""
    if suffix == ".json":
        return json.dumps([asdict(each) for each in predictions], indent=1, ensure_ascii=False) + "\n"
    table = io.StringIO(newline="")
    most = max(len(each.labels) for each in predictions)
    ranks = [f"{name}_{rank}" for rank in range(1, most + 1) for name in ("label", "probability")]
    writer = csv.writer(table)
    writer.writerow(["path", "start_s", "end_s", "status", "reason", *ranks])
    for each in predictions:
        pairs = zip(each.labels, each.probabilities, strict=True)
        end_s = "" if each.end_s is None else each.end_s
        row = [each.path, each.start_s, end_s, each.status, each.reason]
        writer.writerow([*row, *(value for pair in pairs for value in pair)])
    return table.getvalue()
