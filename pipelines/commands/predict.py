"""`heatpool predict`: from videos to classes, with the networks of a run and of its features."""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.training.checkpoint import write_atomic
from heatpool.pipelines.command_table import CLIPS_FAILED
from heatpool.pipelines.commands.evaluate import check_checkpoints, score_run
from heatpool.pipelines.commands.extract import ExtractPlan, extract, prepare
from heatpool.pipelines.drawing.annotate import FilmClip, film_paths, write_films
from heatpool.pipelines.options import ExtractOptions, PredictOptions
from heatpool.pipelines.process.device import pick_device
from heatpool.pipelines.training.run_dir import read_seed_folders, read_summary
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Answer", "run"]

# Of the options of an extraction, these say where and how fast, not what: a prediction has its own.
_NOT_KEPT = (
    "videos", "out", "workers", "scheduler", "limit", "window_s", "stride_s", "dry_run", "resume", "verify",
    "overwrite", "device", "threads", "boxes", "quiet",
)  # fmt: skip
# What decides the values of features. Detector and boxes may differ: people are people.
_DECIDING = ("backbone", "tap", "weights_sha256", "joints", "channels", "steps", "persons", "skeleton")


@dataclass(frozen=True)
class Answer:
    """What was seen in a clip.

    Attributes:
        path: of the video.
        start_s: start of the clip in the video, seconds.
        end_s: its end, None for the end of the video.
        status: of its extraction: ok, truncated, no_person or failed.
        message: why it is not ok.
        labels: most probable first; empty if nothing could be extracted.
        probabilities: of these labels.
    """

    path: str
    start_s: float
    end_s: float | None
    status: str
    message: str
    labels: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()


def run(config: PredictOptions) -> int:
    """Answer for every clip; return 0, or 3 when some clips failed or are truncated.

    Raises:
        HeatpoolError: if the run is not finished, the features would not fit it, or no clip gives features.
    """
    if config.out is not None and config.out.exists() and not config.overwrite:
        raise HeatpoolError(f"{config.out} exists; replace it with --overwrite")
    folders = read_seed_folders(config.run)
    summary = read_summary(folders[0])
    check_checkpoints(folders[0], summary)
    if len(folders) > 1:
        print(f"of {len(folders)} seeds the first answers: {folders[0]}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="heatpool-predict-") as scratch:
        plan = _plan(config, summary, Path(scratch) / "features.zarr")
        manifest = plan.work.manifest
        films = film_paths(config.annotate, manifest, overwrite=config.overwrite) if config.annotate else {}
        extract(plan)
        store = FeatureStore.open(plan.work.store)
        scores = _scores(config, folders[0], summary, store)
        answers = _answers(plan, store, scores, top=config.top)
        _write(config.out, answers)
        print("\n".join(_line(answer) for answer in answers), flush=True)
        write_films(films, manifest, store, [_film_clip(each) for each in answers], quiet=config.quiet)
    bad = sum(answer.status in ("failed", "truncated") for answer in answers)
    return CLIPS_FAILED if bad else 0


def _plan(config: PredictOptions, summary: Mapping[str, Any], out: Path) -> ExtractPlan:
    """Load the networks that made the run's features, and the videos as clips without labels."""
    made = summary.get("extraction", {})
    spec, recorded = made.get("spec", {}), made.get("options", {})
    known = {field.name for field in fields(ExtractOptions)}
    base = {name: value for name, value in {**spec.get("config", {}), **recorded}.items() if name in known}
    base |= {name: spec[name] for name in ("persons", "steps") if name in spec}
    given = {
        "weights": config.weights, "detector": config.detector, "rgb_weights": config.rgb_weights
    }  # fmt: skip
    base |= {name: value for name, value in given.items() if value is not None}
    options = ExtractOptions(
        videos=config.videos,
        out=out,
        boxes=config.boxes,
        window_s=config.window_s,
        stride_s=config.stride_s,
        device=config.device,
        threads=config.threads,
        quiet=config.quiet,
        **{name: value for name, value in base.items() if name not in _NOT_KEPT},
    )
    plan = prepare(options)
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
    config: PredictOptions, folder: Path, summary: Mapping[str, Any], store: FeatureStore
) -> ClipScores | None:
    """Return the fused scores of all clips that gave features, None if there are none."""
    rows = store.clips.rows()
    if not len(rows):
        return None
    device = pick_device(config.device)
    return score_run(folder, summary, store, rows, device=device, cache=LoaderCache())["fused"]


def _answers(plan: ExtractPlan, store: FeatureStore, scores: ClipScores | None, *, top: int) -> list[Answer]:
    """Put clips, outcomes and scores together, in the order of the clips."""
    probabilities: dict[str, np.ndarray] = {}
    if scores is not None:
        probabilities = dict(zip(scores.clip_ids, np.exp(scores.log_probabilities()), strict=True))
    answers = []
    results = store.results(np.arange(len(store)))
    for clip, result in zip(plan.work.manifest.clips, results, strict=True):
        answer = Answer(
            str(clip.path), clip.start_s, clip.end_s, Status(result.status).name.lower(), result.message
        )
        if clip.clip_id in probabilities:
            of_clip = probabilities[clip.clip_id]
            best = np.argsort(-of_clip, kind="stable")[:top]
            answer = replace(
                answer,
                labels=tuple(store.clips.class_names[label] for label in best),
                probabilities=tuple(round(float(of_clip[label]), 4) for label in best),
            )
        answers.append(answer)
    return answers


def _line(answer: Answer) -> str:
    end = "end" if answer.end_s is None else f"{answer.end_s:.2f} s"
    window = "" if answer.start_s == 0 and answer.end_s is None else f" {answer.start_s:.2f} s to {end}"
    pairs = zip(answer.labels, answer.probabilities, strict=True)
    said = ", ".join(f"{label} {100 * share:.1f} %" for label, share in pairs)
    problem = "" if answer.status == "ok" else f" ({answer.status}: {answer.message})"
    return f"{answer.path}{window}: {said or 'no answer'}{problem}"


def _film_clip(answer: Answer) -> FilmClip:
    rows = tuple(zip(answer.labels, answer.probabilities, strict=True))
    problem = "nobody was found" if answer.status == "no_person" else f"{answer.status}: {answer.message}"
    return FilmClip(answer.start_s, answer.end_s, rows, problem)


def _write(out: Path | None, answers: Sequence[Answer]) -> None:
    """Write JSON, a list of answers; or CSV, a row a clip with its labels and probabilities by rank."""
    if out is None:
        return
    if out.suffix == ".json":
        text = json.dumps([asdict(answer) for answer in answers], indent=1, ensure_ascii=False) + "\n"
    else:
        buffer = io.StringIO(newline="")
        most = max(len(answer.labels) for answer in answers)
        ranks = [f"{name}_{rank}" for rank in range(1, most + 1) for name in ("label", "probability")]
        writer = csv.writer(buffer)
        writer.writerow(["path", "start_s", "end_s", "status", "message", *ranks])
        for each in answers:
            pairs = zip(each.labels, each.probabilities, strict=True)
            end_s = "" if each.end_s is None else each.end_s
            row = [each.path, each.start_s, end_s, each.status, each.message]
            writer.writerow([*row, *(value for pair in pairs for value in pair)])
        text = buffer.getvalue()
    try:
        write_atomic(out, text.encode())
    except OSError as error:
        raise HeatpoolError(f"cannot write {out}: {error.strerror}") from error
