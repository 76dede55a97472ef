"""`heatpool predict --follow`: a stream's windows have the answers of a file's, when they are complete."""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from heatpool.extract.video.stream import TimedFrame
from heatpool.pipelines.cli import main
from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.training.prediction import follow as following
from heatpool.pipelines.training.prediction.follow import follow
from heatpool.pipelines.training.prediction.records import Prediction
from heatpool.pool.errors import HeatpoolError
from tests.pipelines.commands.prediction_cases import make_clip

WORDS = ("--window-s", "1", "--stride-s", "0.5", "--device", "cpu", "--threads", "1")
LEVELS = np.concatenate([np.linspace(30, 220, 50), np.linspace(220, 30, 40)])
"""Brighter for 2 s, darker for 1.6 s."""


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_pipe_is_answered_as_the_file_is(
    brightness_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, pipe = make_clip(tmp_path / "a.ts", LEVELS), tmp_path / "pipe"
    os.mkfifo(pipe)

    def dribble() -> None:
        data = video.read_bytes()
        with pipe.open("wb") as file:
            for at in range(0, len(data), 500):
                file.write(data[at : at + 500])
                file.flush()

    out = tmp_path / "live.csv", tmp_path / "file.csv"
    writer = threading.Thread(target=dribble)
    writer.start()
    run = ("predict", "--run", str(brightness_run))
    assert (
        main([*run, "--follow", str(pipe), *WORDS, "--out", str(out[0]), "--segments", f"{tmp_path}/s"]) == 0
    )
    writer.join()
    said = capsys.readouterr().out.splitlines()
    assert main([*run, str(video), *WORDS, "--out", str(out[1])]) == 0
    live, whole = map(table, out)
    assert len(said) == len(live) == len(whole) == 7
    for line, got, known in zip(said, live, whole, strict=True):
        assert float(got["start_s"]) == pytest.approx(float(known["start_s"]), abs=1e-3)
        assert float(got["end_s"]) == pytest.approx(float(known["end_s"]), abs=1e-3)
        assert got["label_1"] == known["label_1"]
        assert float(got["probability_1"]) == pytest.approx(float(known["probability_1"]), abs=2e-3)
        assert line.split()[:2] == [f"0:0{float(got[at]):.2f}" for at in ("start_s", "end_s")]
    segments = table(tmp_path / "s" / "segments.csv")
    assert [each["label"] for each in segments] == ["rise", "fall"]
    assert float(segments[1]["end_s"]) == pytest.approx(3.6)
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        "pipe.eaf", "pipe.srt", "segments.csv", "timeline.png"
    }  # fmt: skip


def grey(number: int) -> TimedFrame:
    """Frame number `number` of 25 per second, brighter and brighter."""
    level = 30 + number % 190
    return number / 25, VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")


def stream(
    brightness_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    frames: Iterator[TimedFrame],
    on_prediction: Callable[[Prediction], None],
    out: Path,
) -> None:
    """Follow frames as if a camera gave them."""
    monkeypatch.setattr(following, "read_stream", lambda source: frames)
    options = PredictOptions(
        brightness_run, follow="rtsp://me:word@camera/1?k=1", window_s=1.0, out=out, device="cpu", threads=1,
        quiet=True,
    )  # fmt: skip
    follow(options, on_prediction=on_prediction)


def test_an_answer_comes_when_its_window_is_complete_and_ctrl_c_ends_in_order(
    brightness_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera that gives a window's frames, and no more before it has been answered."""
    answered, seen = threading.Semaphore(0), list[Prediction]()

    def camera() -> Iterator[TimedFrame]:
        for number in range(10_000):
            if number > 25 and number % 25 == 1:  # the frame that shows that the window is over was given
                assert answered.acquire(timeout=20)
            yield grey(number)

    def on_prediction(prediction: Prediction) -> None:
        seen.append(prediction)
        answered.release()
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    stream(brightness_run, monkeypatch, camera(), on_prediction, tmp_path / "out.csv")
    assert signal.getsignal(signal.SIGINT) is before
    assert [(each.start_s, each.end_s) for each in seen[:3]] == [(0, 1), (1, 2), (2, 3)]
    assert str(seen[0]).startswith("rtsp://camera/1 0.00 s to 1.00 s: rise ")
    assert len(table(tmp_path / "out.csv")) == len(seen) <= 4


def test_a_slow_network_answers_what_it_can_and_says_what_it_left_out(
    brightness_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty seconds of video arrive while a window is answered; then the camera waits and goes on."""
    begun, seen = threading.Event(), list[Prediction]()

    def camera() -> Iterator[TimedFrame]:
        yield from map(grey, range(30))
        assert begun.wait(20)
        yield from map(grey, range(30, 530))
        time.sleep(1)  # the backlog is worked off
        yield from map(grey, range(530, 560))

    def on_prediction(prediction: Prediction) -> None:
        seen.append(prediction)
        begun.set()
        time.sleep(0.2 if len(seen) == 1 else 0)

    stream(brightness_run, monkeypatch, camera(), on_prediction, tmp_path / "out.csv")
    assert {each.status for each in seen} == {"ok"}
    assert 10 <= len(seen) < 18  # of 23
    assert seen[-1].end_s == pytest.approx(560 / 25, abs=0.05)
    assert "the stream is faster than the networks: left out" in caplog.text


def test_what_came_before_a_break_is_answered_and_written(
    brightness_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def camera() -> Iterator[TimedFrame]:
        yield from map(grey, range(40))
        raise HeatpoolError("rtsp://camera/1: cannot be read (nothing came for 10 s)")

    seen = list[Prediction]()
    with pytest.raises(HeatpoolError, match="nothing came for 10 s"):
        stream(brightness_run, monkeypatch, camera(), seen.append, tmp_path / "out.csv")
    assert len(seen) == len(table(tmp_path / "out.csv")) == 2
    assert (seen[1].start_s, seen[1].end_s) == pytest.approx((0.6, 1.6))
