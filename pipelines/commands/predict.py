"""`heatpool predict`: from videos, stored features or a stream to classes."""

from __future__ import annotations

from shutil import get_terminal_size

from heatpool.pipelines.options.exit_codes import CLIPS_FAILED, GOOD
from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.training.prediction.predict import predict
from heatpool.pipelines.training.prediction.records import Answers
from heatpool.pipelines.training.prediction.tables import answers_table, window_line

__all__ = ["run"]


def run(options: PredictOptions) -> int:
    """Print a table of the answers, of a stream each one when it is known; return 0, or 3 for bad clips.

    Raises:
        HeatpoolError: if the run is not finished, the features would not fit it, or a stream breaks off.
    """
    if options.follow is not None:
        from heatpool.pipelines.training.prediction.follow import follow

        follow(options, on_prediction=lambda each: print(window_line(each), flush=True))
        return GOOD
    answers = predict(options, on_answers=lambda answers: print(_table(options, answers), flush=True))
    bad = any(each.status in ("failed", "truncated") for each in answers.predictions)
    return CLIPS_FAILED if bad else GOOD


def _table(options: PredictOptions, answers: Answers) -> str:
    screen = get_terminal_size(fallback=(110, 24))
    return answers_table(
        answers, columns=screen.columns, lines=screen.lines, out=options.out, segments=options.segments
    )
