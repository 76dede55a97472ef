"""Options of `heatpool fuse`."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.shared import OutputOptions, split_words

__all__ = ["FuseOptions"]


def _named(text: str) -> tuple[str, str]:
    """Split `name=location`; without a name it is the location's stem."""
    name, equals, location = text.partition("=")
    if equals and name and not {"/", "\\"} & set(name):
        return name, location
    return Path(text).stem or text, text


@dataclass(frozen=True)
class FuseOptions(OutputOptions):
    """Fuse the scores of any runs, ours or others'.

    A weighted sum; clips are matched by their ids.

    Attributes:
        scores: what to fuse, name=location each: a run folder, an .npz of ours, a pickled dict (.pkl), or
            .npy parts with their lists of names ('a/*_best_score.npy'); an id that one lacks is an error
        weights: one for each, in order, such as 4,0.1,0.1; without it they are fitted on val
        val: the same sources' scores of the val split, to fit the weights on: name=location, with commas
            between; run folders bring theirs
        add: log-probabilities = of each source, whatever it holds; scores = the numbers as they are, as
            published fusions do
        labels: of clips in files that hold none: a data set whose clip names tell (ntu60, ntu120,
            smarthome, …), a manifest, a feature store or an .npz of ours
        classes: text file with a class name per line in label order, where the labels' own order is another
        out: folder for scores, weights and tables; without it the figures are printed only
    """

    scores: tuple[str, ...]
    _: KW_ONLY
    weights: str = ""
    val: str = ""
    add: Literal["log-probabilities", "scores"] = "log-probabilities"
    labels: str | None = None
    classes: Path | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [_named(text)[0] for text in self.scores]
        if not names or len(set(names)) < len(names):
            raise OptionError(
                f"expected score files with a name each (name=location), got {', '.join(names)}"
            )
        if self.weights and self.val:
            raise OptionError("expected --weights or --val, got both")
        if self.weights:
            weights = self.given_weights.values()
            if min(weights) < 0 or not max(weights) > 0:
                raise OptionError(f"expected --weights >= 0, one of them positive, got {self.weights!r}")
        elif self.add == "scores":
            raise OptionError("expected --weights with --add scores: fitted weights are of log-probabilities")
        if self.val and set(self.val_sources) != set(names):
            raise OptionError(f"expected --val to name {', '.join(names)}, got {', '.join(self.val_sources)}")

    @property
    def sources(self) -> dict[str, str]:
        """Location by name."""
        return dict(_named(text) for text in self.scores)

    @property
    def val_sources(self) -> dict[str, str]:
        """Location of the val split's scores by name, in the order of `sources`."""
        named = dict(map(_named, split_words(self.val)))
        return {name: named[name] for name in (*self.sources, *named) if name in named}

    @property
    def given_weights(self) -> dict[str, float]:
        """Weight by name.

        Raises:
            OptionError: if there is not a finite number for each.
        """
        try:
            weights = [float(text) for text in self.weights.split(",")]
        except ValueError:
            weights = [math.nan]
        if len(weights) != len(self.scores) or not all(map(math.isfinite, weights)):
            example = ",".join("1" * len(self.scores))
            raise OptionError(
                f"expected --weights with {len(self.scores)} numbers such as {example}, got {self.weights!r}"
            )
        return dict(zip(self.sources, weights, strict=True))
