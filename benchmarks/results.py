"""Figures of every stream, of fusions and of HP-Net over several seeds; the tables of docs/results.md.

Usage: python -m benchmarks.results [--features STORE] [--protocol xsub] [--seeds 5] [--out docs/results.md]
Without --features it renders and extracts the demo data set first. Everything runs by public commands, which
the page names; interrupted, the same line goes on where it was. Text of the page outside the two marks stays.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from heatpool.classify.scores.calibration import calibrate
from heatpool.classify.scores.fuse import fit_fusion, fuse_scores
from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import load_scores
from heatpool.classify.scores.shares import Share
from heatpool.pipelines.extraction.places import DEMO_FOLDER
from heatpool.pipelines.runs.run_dir import read_seed_folders, read_summary
from heatpool.pipelines.runs.seeds import over_seeds
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore

INPUTS = ("pooled", "keypoints")
STREAMS = [
    f"{source}_{kind}" for source in INPUTS for kind in ("joint", "bone", "joint_motion", "bone_motion")
]
TAPS = "stages.1.branches.0,stages.1.branches.1,stages.1.branches.2"  # of the tiny network; 1 is its default
FIGURES = ("acc/top1", "acc/mean_class", "calibration/ece")
BEGIN, END = "<!-- written by benchmarks/results.py: begin -->", "<!-- end -->"
HEAD = "# Results on the demo set\n\nBy one command: `python -m benchmarks.results`.\n"


@dataclass(frozen=True)
class Line:
    """A row of the table: test figures by name, a value a seed each, and what it costs."""

    name: str
    values: Mapping[str, Sequence[float]]
    clip_bytes: float
    parameters: int
    seconds: float


def main() -> None:
    options = _options()
    commands: list[list[str]] = []
    features = Path(options.features or DEMO_FOLDER / "features.zarr")
    ablated = features
    if not options.features:
        _heatpool(commands, "extract", "--workers", 2, made=features)
        ablated = (
            DEMO_FOLDER / "taps.zarr"
        )  # several taps and the means of their maps, for the ablation alone
        videos = ["--videos", DEMO_FOLDER / "dataset" / "clips.csv", "--out", ablated]
        _heatpool(
            commands, "extract", *videos, "--tap", TAPS, "--map-mean", "--workers", 2, made=ablated
        )  # fmt: skip
    common = ["--protocol", options.protocol, "--seeds", options.seeds]
    common += ["--epochs", options.epochs] if options.epochs else []
    runs = {name: options.work / f"results_{name}" for name in ("streams", "hpnet", "ablation")}
    models = {"streams": ["--streams", ",".join(STREAMS)], "hpnet": ["--model", "hpnet"]}
    for name, words in models.items():
        _heatpool(
            commands, "train", "--features", features, *common, *words, "--out", runs[name], made=runs[name]
        )
    _heatpool(
        commands, "ablate", "--features", ablated, *common, "--out", runs["ablation"], made=runs["ablation"]
    )
    store = FeatureStore.open(str(features))
    lines = [*_stream_lines(runs["streams"], store), _hpnet_line(runs["hpnet"], store)]
    ablation = (runs["ablation"] / "ablation.md").read_text(encoding="utf-8").strip()
    block = "\n\n".join(
        [
            _what_was_run(commands, store, runs),
            _table(lines),
            _reading(lines, runs["streams"]),
            "## Ablation",
            "\n".join(line if line.startswith("|") else _wrapped([line]) for line in ablation.splitlines()),
        ]
    )
    _write(options.out, block)
    print(f"{options.out} is written", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--features", help="feature store; default the demo's, made if it is not there")
    parser.add_argument("--protocol", default="xsub")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=0, help="0 = as the recipes say")
    parser.add_argument("--work", type=Path, default=Path("work_dirs"), help="where the runs go")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error("expected --seeds of at least 2: an interval needs them")
    return options


def _heatpool(commands: list[list[str]], *words: object, made: Path) -> None:
    """Note a command and run it; go on with what it has begun, do nothing if it has finished `made`."""
    line = [str(word) for word in words]
    commands.append(["heatpool", *line])
    text, finished = shlex.join(commands[-1]), made.with_name(f"{made.name}.finished")
    if made.exists() and finished.is_file() and finished.read_text(encoding="utf-8") == text:
        return
    line += ["--resume"] if made.exists() else []
    print(text, file=sys.stderr, flush=True)
    program = [sys.executable, "-c", "import sys; from heatpool.pipelines.cli import main; sys.exit(main())"]
    code = subprocess.run([*program, *line], stdout=sys.stderr, check=False).returncode
    if code:
        raise SystemExit(f"stopped: {text} ended with exit code {code}; start again to go on")
    finished.write_text(text, encoding="utf-8")


def _clip_bytes(store: FeatureStore, *arrays: str) -> float:
    """Mean bytes on disk of some arrays of a clip that has features."""
    sizes = store.bytes_by_array()
    usable = int(np.isin(store.clips.status, (Status.OK, Status.TRUNCATED)).sum())
    return sum(sizes[name] for name in arrays) / usable


def _stream_lines(run: Path, store: FeatureStore) -> list[Line]:
    """Rows of the streams, of the fusion of each input's streams, and of the fusion of all."""
    folders = read_seed_folders(run)
    summaries = [read_summary(folder) for folder in folders]
    bytes_of = {source: _clip_bytes(store, source) for source in INPUTS}

    def line(name: str, streams: Sequence[str], results: Sequence[Mapping[str, Any]]) -> Line:
        return Line(
            name,
            {figure: [result[figure] for result in results] for figure in FIGURES},
            sum(bytes_of[source] for source in INPUTS if any(each.startswith(source) for each in streams)),
            sum(summaries[0]["streams"][each]["parameters"] for each in streams),
            float(np.mean([sum(each["streams"][name]["seconds"] for name in streams) for each in summaries])),
        )

    lines = [
        line(name, [name], [summary["streams"][name]["test"] for summary in summaries]) for name in STREAMS
    ]
    for source in INPUTS:
        some = [name for name in STREAMS if name.startswith(source)]
        lines.append(line(f"{source}, four streams", some, [_fused(folder, some) for folder in folders]))
    everything = [summary["fused"]["test"] for summary in summaries]
    return [*lines, line("all eight streams", STREAMS, everything)]


def _fused(folder: Path, streams: Sequence[str]) -> dict[str, float]:
    """Test figures of a seed's fusion of some streams, its weights fitted on val."""
    val, test = (
        {name: load_scores(folder / name / f"scores_{part}.npz") for name in streams}
        for part in ("val", "test")
    )
    fused = fuse_scores(test, fit_fusion(val).weights)
    return {**evaluate_scores(fused).named(), "calibration/ece": calibrate(fused).ece}


def _hpnet_line(run: Path, store: FeatureStore) -> Line:
    summaries = [read_summary(folder)["streams"]["hpnet"] for folder in read_seed_folders(run)]
    arrays = ["pooled", *(["rgb"] if "rgb" in store.layout.features else [])]
    return Line(
        "HP-Net",
        {figure: [summary["test"][figure] for summary in summaries] for figure in FIGURES},
        _clip_bytes(store, *arrays),
        summaries[0]["parameters"],
        float(np.mean([summary["seconds"] for summary in summaries])),
    )


def _what_was_run(commands: Sequence[Sequence[str]], store: FeatureStore, runs: Mapping[str, Path]) -> str:
    summary = read_summary(read_seed_folders(runs["streams"])[0])
    hpnet = read_summary(read_seed_folders(runs["hpnet"])[0])["streams"]["hpnet"]
    epochs = summary["streams"][STREAMS[0]]["epochs"], hpnet["epochs"]
    machine, clips, spec = summary["machine"], summary["clips"], store.spec
    gpus = ", ".join(machine["gpus"]) or "no GPU"
    said = [
        f"- Data: {spec.source or store.source.name}: {len(store)} clips of {len(store.clips.class_names)} "
        f"classes; split {summary['protocol']}, {clips['train']} train, {clips['val']} val, {clips['test']} "
        "test clips.",
        f"- Features: {spec.backbone}, tap {spec.tap}: {spec.persons} persons x {spec.steps} steps x "
        f"{spec.joints} joints x {spec.channels} channels.",
        f"- Seeds: {', '.join(map(str, _seeds(runs['streams'])))}; {epochs[0]} epochs a stream, "
        f"{epochs[1]} epochs HP-Net. Epochs and fusion weights are chosen on val.",
        "- HP-Net's modalities, in its own words: " + " / ".join(hpnet["modalities"]),
        f"- Machine: {machine['processor']}, {machine['cores']} cores, {gpus}; torch {machine['torch']}.",
    ]
    lines = [shlex.join(command).replace(" --streams ", " \\\n        --streams ") for command in commands]
    lines = [line.replace(" --out ", " \\\n        --out ") if len(line) > 116 else line for line in lines]
    return "## What was run\n\n" + "\n".join(f"    {line}" for line in lines) + "\n\n" + _wrapped(said)


def _seeds(run: Path) -> list[int]:
    seeds: list[int] = json.loads((run / "seeds.json").read_text(encoding="utf-8"))["seeds"]
    return seeds


def _table(lines: Sequence[Line]) -> str:
    rows = [
        "| classifier | top-1 | mean class | ECE | bytes a clip | parameters | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        cells = [_cell(line.values[figure]) for figure in FIGURES]
        cells += [
            f"{line.clip_bytes:,.0f}",
            f"{line.parameters:,}",
            f"{line.seconds:.0f}",
        ]
        rows.append(f"| {line.name} | {' | '.join(cells)} |")
    note = [
        "Test part, per cent: mean ± sample standard deviation over the seeds, and in brackets the 95 % "
        "interval of the mean (Student's t, cut off at 0 and 100). ECE: expected calibration error. Bytes: "
        "on disk, of the arrays that it reads. s: seconds to train one seed, of fusions the sum of their "
        "streams. On a CPU, streams are trained side by side."
    ]
    return "## Figures\n\n" + "\n".join(rows) + "\n\n" + _wrapped(note)


def _cell(values: Sequence[float]) -> str:
    figure = over_seeds(values)
    low, high = (100 * end for end in figure.interval)
    return f"{100 * figure.mean:.1f} ± {100 * figure.std:.1f} ({low:.1f} to {high:.1f})"


def _reading(lines: Sequence[Line], run: Path) -> str:
    """Say in words what the figures show: true whatever they are."""
    top1 = {line.name: np.array(line.values["acc/top1"]) for line in lines}
    names = sorted(top1, key=lambda name: -top1[name].mean())
    best = " and ".join(name for name in names if top1[name].mean() > top1[names[0]].mean() - 1e-9)
    single = max(STREAMS, key=lambda name: float(top1[name].mean()))
    clips = read_summary(read_seed_folders(run)[0])["clips"]["test"]
    low, high = Share(round(float(top1[names[0]].mean()) * clips), clips).interval
    said = [
        f"The highest mean top-1 is that of {best}, {100 * top1[names[0]].mean():.1f} %; of the single "
        f"streams it is that of {single}, {100 * top1[single].mean():.1f} %.",
        *(
            _difference(first, second, top1[first] - top1[second])
            for first, second in (
                ("pooled, four streams", "keypoints, four streams"),
                ("all eight streams", "pooled, four streams"),
                ("HP-Net", "pooled, four streams"),
            )
        ),
        f"Seeds do not change the {clips} test clips: were these drawn anew and independent of each other, "
        f"the 95 % interval of the highest figure would be {100 * low:.1f} to {100 * high:.1f} %.",
    ]
    return "## Reading\n\n" + _wrapped([" ".join(said)])


def _difference(first: str, second: str, differences: np.ndarray) -> str:
    """The mean difference over seeds with its 95 % interval by Student's t."""
    mean, count = float(differences.mean()), len(differences)
    half = float(student.ppf(0.975, count - 1)) * float(differences.std(ddof=1)) / count**0.5
    ends = f"{100 * (mean - half):+.1f} to {100 * (mean + half):+.1f}"
    sure = "the seeds leave open which is better" if abs(mean) <= half else "zero is outside"
    return f"{first} minus {second}: {100 * mean:+.1f} points of top-1 (95 % interval {ends}: {sure})."


def _wrapped(paragraphs: Sequence[str], width: int = 120) -> str:
    lines = []
    for paragraph in paragraphs:
        line = ""
        for word in paragraph.split(" "):
            if line and len(line) + 1 + len(word) > width:
                lines.append(line)
                line = ("  " if paragraph.startswith("- ") else "") + word
            else:
                line = f"{line} {word}" if line else word
        lines.append(line)
    return "\n".join(lines)


def _write(out: Path, block: str) -> None:
    """Replace what lies between the marks, or make the page."""
    page = out.read_text(encoding="utf-8") if out.is_file() else f"{HEAD}\n{BEGIN}\n{END}\n"
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"expected the marks of benchmarks/results.py in {out}; remove it or put them back")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(f"{before}{BEGIN}\n\n{block}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
