"""A trained run: what it reached, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatpool.pipelines.options.evaluate import EvaluateOptions
from heatpool.pipelines.options.keywords import takes_options
from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.runs.folds import folds_table, read_folds
from heatpool.pipelines.runs.run_dir import read_seed_folders, read_seeds, read_summary
from heatpool.pipelines.runs.seeds import seeds_table
from heatpool.pipelines.training.figures import Figures, figures_of, results_table
from heatpool.pipelines.training.relabel import open_run_store

if TYPE_CHECKING:
    from heatpool.pipelines.training.evaluate import Evaluation
    from heatpool.pipelines.training.prediction.records import Prediction

__all__ = ["Run", "load_run"]


@dataclass(frozen=True)
class Run:
    """A finished run of `heatpool.train`.

    Attributes:
        path: its folder.
        protocol: of the splits it was trained on.
        model: ctrgcn, linear, mlp, tcn or hpnet.
        class_names: in label order.
        figures: on the test split, by stream and as "fused"; means over the seeds.
        seeds: that were trained.
        report: page with figures, charts and pictures; None if it was not written.
        table: the figures as aligned lines, which `print(run)` shows.
    """

    path: Path
    protocol: str
    model: str
    class_names: tuple[str, ...]
    figures: Mapping[str, Figures]
    seeds: tuple[int, ...]
    report: Path | None
    table: str = field(repr=False)

    def __str__(self) -> str:
        return self.table

    @takes_options(PredictOptions, without=("run", "follow"))
    def predict(
        self, videos: str | Path | Sequence[str | Path] = (), **options: Any
    ) -> tuple[Prediction, ...]:
        """Extract features of videos as those of the run, and classify every clip.

        Args:
            videos: video, folder of videos, manifest CSV, pattern or http(s) address, or several of them;
                none with `features`.
            **options: those of `heatpool predict`, named below.

        Raises:
            HeatpoolError: if an option or a video is not as it must be, the networks are not those of the
                run's features, or nothing that is named can be found or fetched.
        """
        from heatpool.pipelines.training.prediction.predict import predict

        words = [videos] if isinstance(videos, str | Path) else videos
        return predict(PredictOptions(run=self.path, videos=tuple(map(str, words)), **options)).predictions

    @takes_options(EvaluateOptions, without=("run",))
    def evaluate(self, **options: Any) -> Evaluation:
        """Score the clips of a split, of the run's own store or of another one like it.

        Args:
            **options: those of `heatpool evaluate`, named below.

        Raises:
            HeatpoolError: if the store does not fit the run.
        """
        from heatpool.pipelines.training.evaluate import evaluate_run

        return evaluate_run(EvaluateOptions(run=self.path, **options))

    def write_report(
        self,
        features: str | Path,
        *,
        videos: Path | None = None,
        sheets: Sequence[tuple[Path, str]] = (),
    ) -> Path:
        """Write `report.html` again; return it.

        Args:
            features: the store that it was trained on.
            videos: folder or manifest of its videos, for pictures.
            sheets: contact sheets to show below the sample clips, each with its caption.

        Raises:
            HeatpoolError: if the store is of another run, or the videos or a sheet are not there.
        """
        from heatpool.pipelines.report.run_report import report_run

        return report_run(self.path, open_run_store(self.path, str(features)), videos=videos, sheets=sheets)


def load_run(path: str | Path) -> Run:
    """Load the run that `heatpool train` left in a folder.

    Raises:
        HeatpoolError: if there is none, or it is not finished.
    """
    folder = Path(path)
    if (folds := read_folds(folder)) is not None:
        return _load_folds(folder, folds)
    summaries = [read_summary(each) for each in read_seed_folders(folder)]
    first, report = summaries[0], folder / "report.html"
    table = f"imported, not yet evaluated: heatpool evaluate {folder}"
    if "test" in first["clips"]:
        table = results_table(first, classes=len(first["class_names"]))
    if len(summaries) > 1:
        table = seeds_table(read_seeds(folder))
    return Run(
        path=folder,
        protocol=first["protocol"],
        model=first["model"],
        class_names=tuple(first["class_names"]),
        figures=figures_of(summaries, "test"),
        seeds=tuple(summary["seed"] for summary in summaries),
        report=report if report.is_file() else None,
        table=table,
    )


def _load_folds(folder: Path, folds: Mapping[str, Any]) -> Run:
    """A cross-validation; its figures are those of all clips."""
    report = folder / "report.html"
    keys = ("clips", "acc/top1", "acc/top5", "acc/mean_class")
    return Run(
        path=folder,
        protocol=f"{len(folds['runs'])} folds by {folds['by']}",
        model=folds["model"],
        class_names=tuple(folds["class_names"]),
        figures={name: Figures(*(each[key] for key in keys)) for name, each in folds["pooled"].items()},
        seeds=(folds["seed"],),
        report=report if report.is_file() else None,
        table=folds_table(folds),
    )
