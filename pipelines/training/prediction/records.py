"""What a prediction says: of a clip, and of a stretch of a video."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Answers", "Prediction", "Segment"]


@dataclass(frozen=True)
class Prediction:
    """What was recognised in a clip.

    Attributes:
        path: of the video; an address without login and query.
        start_s: start of the clip in the video, seconds.
        end_s: its end, None for the end of the video.
        status: of its extraction: ok, truncated, no_person or failed.
        reason: why it is not ok.
        labels: most probable first; empty if nothing could be extracted.
        probabilities: of these labels.
        clip_id: of the clip in its manifest or store.
    """

    path: str
    start_s: float
    end_s: float | None
    status: str
    reason: str
    labels: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    clip_id: str = ""

    def __str__(self) -> str:
        end = "the end" if self.end_s is None else f"{self.end_s:.2f} s"
        window = "" if self.start_s == 0 and self.end_s is None else f" {self.start_s:.2f} s to {end}"
        return f"{self.path}{window}: {self.answer}"

    @property
    def answer(self) -> str:
        """The classes with their shares, and what is wrong."""
        pairs = zip(self.labels, self.probabilities, strict=True)
        best = ", ".join(f"{label} {100 * share:.1f} %" for label, share in pairs)
        return f"{best} ({self.problem})" if best and self.problem else best or self.problem

    @property
    def problem(self) -> str:
        """Why it is not ok, or an empty text."""
        if self.status == "ok":
            return ""
        if self.status == "no_person":
            return self.reason or "no person detected"
        return f"{self.status}: {self.reason}"


@dataclass(frozen=True)
class Segment:
    """A stretch of a video during which one class is the most probable.

    Attributes:
        path: of the video.
        start_s: start in the video, seconds.
        end_s: end, after the start.
        label: name of the class.
        confidence: its mean probability over the stretch, in [0, 1].

    Raises:
        ValueError: if it ends before it starts or the confidence is no probability.
    """

    path: str
    start_s: float
    end_s: float
    label: str
    confidence: float

    def __post_init__(self) -> None:
        if not self.start_s < self.end_s:
            raise ValueError(f"expected a start before the end, got {self.start_s} s and {self.end_s} s")
        if not 0 <= self.confidence <= 1 + 1e-6:
            raise ValueError(f"expected a confidence in [0, 1], got {self.confidence}")


@dataclass(frozen=True)
class Answers:
    """All that was recognised.

    Attributes:
        predictions: of every clip or window, in the order of the clips.
        segments: windows of each video merged, in order of time, video after video; a clip that is no window
            is a segment by itself.
    """

    predictions: tuple[Prediction, ...]
    segments: tuple[Segment, ...]

    @property
    def windowed(self) -> bool:
        """Whether some video has more than one clip, so that segments say more than clips."""
        return len({each.path for each in self.predictions}) < len(self.predictions)
