"""From videos or stored features to answers, with the networks of a run and of its features."""

from __future__ import annotations

import logging
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.runs.run_dir import read_seed_folders, read_summary
from heatpool.pipelines.training.evaluate import check_checkpoints
from heatpool.pipelines.training.features import compare_versions
from heatpool.pipelines.training.prediction.records import Answers, Prediction
from heatpool.pipelines.training.prediction.segment_files import SegmentFiles
from heatpool.pipelines.training.prediction.segments import Window, merge_windows
from heatpool.pipelines.training.prediction.tables import predictions_text
from heatpool.pool.disk.atomic import refuse_existing, write_text
from heatpool.pool.records import ClipResult, Status
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from heatpool.pipelines.drawing.annotate import AnnotatedClip
    from heatpool.pipelines.training.prediction.scoring import RunScorer

__all__ = ["TrainedRun", "open_run", "predict", "prediction_of", "segment_files", "write_answers"]

_log = logging.getLogger(__name__)

_WINDOW = re.compile(r"@(\d+\.\d\d)-(\d+\.\d\d)$", re.ASCII)  # how `--window-s` names the clips that it cuts
_LONG_S = 60.0
_FPS = 25.0  # where a video does not tell its rate


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run that predicts.

    Attributes:
        folder: of the run, or of its first seed.
        summary: what its training wrote.
    """

    folder: Path
    summary: Mapping[str, Any]

    def scorer(self, options: PredictOptions) -> RunScorer:
        """Load its networks."""
        from heatpool.pipelines.training.prediction.scoring import RunScorer

        set_threads(options.threads)
        return RunScorer(self.folder, self.summary, device=pick_device(options.device))


def open_run(options: PredictOptions) -> TrainedRun:
    """Find the run; refuse outputs that are in the way before anything long begins.

    Raises:
        HeatpoolError: if it is not finished, or an output exists.
    """
    if options.out is not None:
        refuse_existing(options.out, options.overwrite)
    folders = read_seed_folders(options.run)
    summary = read_summary(folders[0])
    check_checkpoints(folders[0], summary)
    if len(folders) > 1:
        _log.info("of %d seeds the first predicts: %s", len(folders), folders[0])
    return TrainedRun(folders[0], summary)


def predict(
    options: PredictOptions, *, on_answers: Callable[[Answers], None] = lambda answers: None
) -> Answers:
    """Predict every clip of some videos or of a store; write the files that are asked for.

    Args:
        options: of the command, with videos or features.
        on_answers: called as soon as all are known; drawing annotated videos takes longer.

    Raises:
        HeatpoolError: if the run is not finished, the features would not fit it, or an output is in the way.
    """
    run = open_run(options)
    if options.features is not None:
        return _predict_stored(options, run, options.features, on_answers)
    return _predict_videos(options, run, on_answers)


def _predict_stored(
    options: PredictOptions, run: TrainedRun, features: str, on_answers: Callable[[Answers], None]
) -> Answers:
    store = FeatureStore.open(features)
    asked = _stored_clips(store)
    files = segment_files(options, asked, root=".")
    answers = _answer(asked, store, run.scorer(options), top=options.top)
    compare_versions(run.summary, store.versions, name=store.source.name)  # they do fit the run
    write_answers(options, answers, files)
    on_answers(answers)
    return answers


def _stored_clips(store: FeatureStore) -> list[Prediction]:
    """Return the clips of a store without answers, with the times that their names or features tell."""
    index, fps, frames = store.clips.index, store.clips.fps, store.clips.frames
    asked = []
    for clip_id, path in zip(index.clip_id, index.path, strict=True):
        found = _WINDOW.search(clip_id)
        start_s, end_s = (float(found[1]), float(found[2])) if found else (0.0, None)
        asked.append(Prediction(path, start_s, end_s, "pending", "", clip_id=clip_id))
    # A store keeps no start and end: other clips that share a video lie around the middle of their steps.
    videos, rows = Counter(index.path), store.clips.rows()
    rows = np.array([row for row in rows if asked[row].end_s is None and videos[asked[row].path] > 1], int)
    for row, times_s in zip(rows, store.read(rows, ("time_s",))["time_s"].astype(float), strict=True):
        frame_s = 1 / (float(fps[row]) or _FPS)
        middle_s, half_s = (times_s[0] + times_s[-1] + frame_s) / 2, frames[row] * frame_s / 2
        start_s, end_s = float(max(middle_s - half_s, 0)), float(middle_s + half_s)
        asked[row] = replace(asked[row], start_s=round(start_s, 3), end_s=round(end_s, 3))
    return asked


def _predict_videos(
    options: PredictOptions, run: TrainedRun, on_answers: Callable[[Answers], None]
) -> Answers:
    from heatpool.pipelines.drawing.annotate import annotated_paths, write_annotated_videos
    from heatpool.pipelines.extraction.run import carry_out
    from heatpool.pipelines.training.prediction.inputs import gather_videos
    from heatpool.pipelines.training.prediction.networks import plan_extraction

    with tempfile.TemporaryDirectory(prefix="heatpool-predict-") as scratch:
        inputs = gather_videos(options.videos, Path(scratch), fps=options.fps)
        plan = plan_extraction(options, run.summary, inputs.manifest, out=Path(scratch, "features.zarr"))
        manifest, drawn = plan.work.manifest, dict[Path, Path]()
        asked = [
            Prediction(inputs.name(clip.path), clip.start_s, clip.end_s, "pending", "", clip_id=clip.clip_id)
            for clip in manifest.clips
        ]
        files = segment_files(options, asked, root=str(manifest.root))
        if options.annotate:
            paths = annotated_paths(options.annotate, manifest, overwrite=options.overwrite)
            drawn = {video: path for video, path in paths.items() if video not in inputs.unfetched}
        carry_out(plan)
        store = FeatureStore.open(plan.work.store)
        answers = _answer(asked, store, run.scorer(options), top=options.top)
        reasons = [inputs.unfetched.get(clip.path) for clip in manifest.clips]
        answers = replace(
            answers,
            predictions=tuple(
                replace(each, reason=reason or each.reason)
                for each, reason in zip(answers.predictions, reasons, strict=True)
            ),
        )
        _hint_at_windows(answers, store, run.summary)
        write_answers(options, answers, files)
        on_answers(answers)
        if drawn:
            clips = [_annotated_clip(each) for each in answers.predictions]
            write_annotated_videos(
                drawn, manifest, store, clips, overwrite=options.overwrite, quiet=options.quiet
            )
    return answers


def _answer(asked: Sequence[Prediction], store: FeatureStore, scorer: RunScorer, *, top: int) -> Answers:
    """Put clips, outcomes and scores together, in the order of the clips."""
    rows, names = store.clips.rows(), scorer.class_names
    shares = dict(zip(rows.tolist(), scorer.probabilities(store, rows), strict=True))
    predictions, windows = [], dict[str, list[Window]]()
    for row, (clip, result) in enumerate(zip(asked, store.results(np.arange(len(store))), strict=True)):
        predictions.append(prediction_of(clip, result, shares.get(row), names, top=top))
        if row in shares:
            length_s = max(result.frames, 1) / (result.fps or _FPS)
            end_s = clip.end_s
            if end_s is None or end_s <= clip.start_s:  # names of stored clips may say anything
                end_s = clip.start_s + length_s
            windows.setdefault(clip.path, []).append((clip.start_s, end_s, shares[row]))
    segments = [each for path, of_video in windows.items() for each in merge_windows(path, of_video, names)]
    return Answers(tuple(predictions), tuple(segments))


def prediction_of(
    clip: Prediction,
    result: ClipResult,
    probabilities: np.ndarray | None,
    class_names: Sequence[str],
    *,
    top: int,
) -> Prediction:
    """Fill in what became of a clip and, of the `top` best classes, names and (K,) `probabilities`."""
    clip = replace(clip, status=Status(result.status).name.lower(), reason=result.reason)
    if probabilities is None:
        return clip
    best = np.argsort(-probabilities, kind="stable")[:top]
    return replace(
        clip,
        labels=tuple(class_names[label] for label in best),
        probabilities=tuple(round(float(probabilities[label]), 4) for label in best),
    )


def _hint_at_windows(answers: Answers, store: FeatureStore, summary: Mapping[str, Any]) -> None:
    """Say which videos are too long for one answer."""
    seconds = store.clips.frames / np.maximum(store.clips.fps, 1)
    long = np.flatnonzero(seconds > _LONG_S)
    if not len(long):
        return
    window_s = summary.get("extraction", {}).get("options", {}).get("window_s") or 4
    _log.warning(
        "%s: one answer for %.0f s; --window-s %g --stride-s %g answers moment by moment%s",
        answers.predictions[long[0]].path,
        seconds[long[0]],
        window_s,
        window_s / 2,
        f" (and {len(long) - 1} more such clips)" if len(long) > 1 else "",
    )


def segment_files(options: PredictOptions, clips: Sequence[Prediction], *, root: str) -> SegmentFiles:
    """Choose the files of `--segments`; see `SegmentFiles`."""
    videos = [clip.path for clip in clips]
    return SegmentFiles(options.segments, videos, root=root, overwrite=options.overwrite)


def write_answers(options: PredictOptions, answers: Answers, files: SegmentFiles) -> None:
    """Write the files of `--out` and `--segments`.

    Raises:
        HeatpoolError: if one cannot be written.
    """
    if options.out is not None:
        text = predictions_text(options.out.suffix, answers.predictions)
        write_text(options.out, text, options.overwrite)
    files.write(answers.segments)


def _annotated_clip(prediction: Prediction) -> AnnotatedClip:
    from heatpool.pipelines.drawing.annotate import AnnotatedClip

    rows = tuple(zip(prediction.labels, prediction.probabilities, strict=True))
    return AnnotatedClip(prediction.start_s, prediction.end_s, rows, prediction.problem)
