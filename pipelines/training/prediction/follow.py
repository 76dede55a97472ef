"""Answers about a stream, window by window, while it runs."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.engine.live import LiveWindow, extract_live
from heatpool.extract.video.download import public_address
from heatpool.extract.video.stream import Backlog, TimedFrame, as_rgb, is_real_time, read_stream
from heatpool.pipelines.extraction.plan import ExtractPlan
from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.process.interrupt import StopRequest, stop_on_interrupt
from heatpool.pipelines.training.prediction.networks import plan_extraction
from heatpool.pipelines.training.prediction.predict import (
    open_run,
    prediction_of,
    segment_files,
    write_answers,
)
from heatpool.pipelines.training.prediction.records import Answers, Prediction, Segment
from heatpool.pipelines.training.prediction.scoring import RunScorer
from heatpool.pipelines.training.prediction.segments import SegmentMerger
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from heatpool.pool.sources.locate import is_remote

__all__ = ["follow"]

_log = logging.getLogger(__name__)

_LEAST_BACKLOG_S = 10.0  # streams over HTTP come in bursts of some seconds


def follow(options: PredictOptions, *, on_prediction: Callable[[Prediction], None]) -> Answers:
    """Classify the windows of a stream until it ends or Ctrl-C; write the files that are asked for.

    What waits is bounded: of a stream in real time that the networks do not keep up with, stretches are left
    out, which is logged. Answers are kept for `--out` and segments for `--segments` only.

    Args:
        options: of the command, with `follow` and `window_s`.
        on_prediction: called with each answer when its window is complete.

    Raises:
        HeatpoolError: if the run, the networks or the outputs are not as they must be; or if the stream
            cannot be opened or breaks off, after what there is of it was answered and written.
    """
    source = options.follow or ""
    run = open_run(options)
    stream = Prediction(public_address(source) if is_remote(source) else source, 0.0, None, "pending", "")
    files = segment_files(options, [stream], root=".")
    broken = None
    with tempfile.TemporaryDirectory(prefix="heatpool-follow-") as scratch:
        dummy = Manifest((Clip("stream", Path(scratch, "stream")),), (), Path(scratch))
        plan = plan_extraction(options, run.summary, dummy, out=Path(scratch, "features.zarr"))
        answering = _Answering(options, stream, plan, run.scorer(options), on_prediction)
        with stop_on_interrupt("the windows that are complete", quiet=options.quiet) as stop:
            try:
                for window in _windows(options, source, plan, stop):
                    answering.take(window)
            except HeatpoolError as error:
                broken = error
        answers = answering.finish()
    write_answers(options, answers, files)
    if broken is not None:
        raise broken
    return answers


def _windows(
    options: PredictOptions, source: str, plan: ExtractPlan, stop: StopRequest
) -> Iterator[LiveWindow]:
    """Yield the windows of all stretches of the stream, without rests of less than half a window."""
    answered = False
    most_s = max(options.window_s, _LEAST_BACKLOG_S)
    with Backlog(read_stream(source), most_s=most_s, drop=is_real_time(source)) as backlog:
        for stretch in backlog.stretches(lambda: stop.asked):
            for window in extract_live(
                _pictures(stretch),
                plan.work.engine_options(),
                estimator=plan.networks.estimator,
                window_s=options.window_s,
                stride_s=options.stride_s or options.window_s,
                rgb=plan.networks.rgb,
            ):
                if not answered or window.end_s - window.start_s >= options.window_s / 2:
                    answered = True
                    yield window
        if backlog.dropped_s:
            _log.warning("left out %.1f s of the stream in all", backlog.dropped_s)


def _pictures(stretch: Iterator[TimedFrame]) -> Iterator[tuple[float, np.ndarray]]:
    """Turn the frames of a stretch into RGB of one size, when their turn comes."""
    first = None
    for time_s, frame in stretch:
        first = first or frame
        yield time_s, as_rgb(frame, like=first)


class _Answering:
    """Scores windows one by one, and keeps what files will need."""

    def __init__(
        self,
        options: PredictOptions,
        stream: Prediction,
        plan: ExtractPlan,
        scorer: RunScorer,
        on_prediction: Callable[[Prediction], None],
    ) -> None:
        self._options, self._stream, self._plan, self._scorer = options, stream, plan, scorer
        self._on_prediction = on_prediction
        self._name = PurePosixPath(stream.path).stem or "stream"
        self._merger = SegmentMerger(stream.path, scorer.class_names)
        self._predictions: list[Prediction] = []
        self._segments: list[Segment] = []

    def take(self, window: LiveWindow) -> None:
        """Answer a window."""
        span = round(window.start_s, 3), round(window.end_s, 3)
        features, result = window.outcome.features, window.outcome.result
        shares = None
        if features is not None and result.status == Status.OK:
            shares = self._scorer.probabilities_of(features, result, self._plan.spec)
        clip = replace(
            self._stream, start_s=span[0], end_s=span[1], clip_id=f"{self._name}@{span[0]:.2f}-{span[1]:.2f}"
        )
        prediction = prediction_of(clip, result, shares, self._scorer.class_names, top=self._options.top)
        self._on_prediction(prediction)
        if self._options.out is not None:
            self._predictions.append(prediction)
        if self._options.segments is not None and shares is not None:
            self._segments += self._merger.add(*span, shares)

    def finish(self) -> Answers:
        """Return all that was kept."""
        return Answers(tuple(self._predictions), (*self._segments, *self._merger.finish()))
