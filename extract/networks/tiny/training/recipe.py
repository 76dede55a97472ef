"""The recipe of the tiny networks, which `make weights` runs.

Renders people that are in no demo clip, trains the pose network and the detector, evaluates both on unseen
people and on the demo's own subjects, and writes the weights with their figures. The same machine and torch
build give the same bytes again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import torch

from heatpool.extract.networks.tiny.backbone import (
    build_tiny_detector,
    load_tiny_backbone,
    load_tiny_detector,
)
from heatpool.extract.networks.tiny.network import TinyPose
from heatpool.extract.networks.tiny.training.demo_frames import demo_frames
from heatpool.extract.networks.tiny.training.evaluate import evaluate, milliseconds
from heatpool.extract.networks.tiny.training.loops import TinyRecipe, train_detector, train_pose
from heatpool.extract.networks.tiny.training.rendering import RenderedSet, render_set
from heatpool.extract.networks.tiny.weights import (
    DETECTOR_FILE,
    FIGURES_FILE,
    POSE_FILE,
    load_tiny_weights,
    save_weights,
)
from heatpool.pool.errors import HeatpoolError

__all__ = ["figures_table", "main", "run", "update_docs"]

_MARKS = ("<!-- figures -->", "<!-- end of figures -->")
_PCK_COLUMNS = ("PCK@0.1", "PCK@0.05", "PCK@0.1 detected", "PCK@0.05 detected")


def run(out: Path, *, recipe: TinyRecipe) -> dict[str, Any]:
    """Render, train, evaluate, and write both weights files and `figures.json` into `out`.

    The two trainings run side by side, one thread each: networks this small gain more from that than from two
    threads each in turn.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        train = render_set(folder, count=recipe.train_frames, seed=recipe.train_seed, workers=2)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            jobs = [
                pool.submit(job, train, recipe, folder / file)
                for job, file in ((_pose_job, POSE_FILE), (_detector_job, DETECTOR_FILE))
            ]
            losses = {name: job.result() for name, job in zip(("pose", "detector"), jobs, strict=True)}
        tests = {
            "unseen people": render_set(folder, count=recipe.test_frames, seed=recipe.test_seed, workers=2),
            "demo subjects": demo_frames(folder, every_clip=4, every_frame=6, workers=2),
        }
        detector = load_tiny_detector(weights=folder / DETECTOR_FILE)
        backbone = load_tiny_backbone(weights=folder / POSE_FILE)
        figures = {
            name: evaluate(rendered, detector=detector, backbone=backbone) for name, rendered in tests.items()
        }
        facts = {"knows": "rendered people only", "recipe": asdict(recipe), "figures": figures}
        for file, module in ((POSE_FILE, TinyPose()), (DETECTOR_FILE, build_tiny_detector())):
            load_tiny_weights(module, folder / file)
            save_weights(module, out / file, facts=facts)
    speed = milliseconds(detector=detector, backbone=backbone, threads=2)
    report = {**facts, "losses": losses, "ms": speed, "minutes": round((time.monotonic() - started) / 60, 1)}
    (out / FIGURES_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _pose_job(rendered: RenderedSet, recipe: TinyRecipe, path: Path) -> list[float]:
    _one_thread()
    network, losses = train_pose(rendered, recipe)
    save_weights(network, path, facts={})
    return losses


def _detector_job(rendered: RenderedSet, recipe: TinyRecipe, path: Path) -> list[float]:
    _one_thread()
    model, losses = train_detector(rendered, recipe)
    save_weights(model, path, facts={})
    return losses


def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    cv2.setNumThreads(1)


def figures_table(report: dict[str, Any]) -> str:
    """Return the figures of a report as the Markdown table of `docs/tiny.md`."""
    rows = [
        "| tested on | frames | people | mAP50 | PCK@0.1 true boxes | PCK@0.05 true boxes "
        "| PCK@0.1 found boxes | PCK@0.05 found boxes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in report["figures"].items():
        values = [figures[key] for key in ("mAP50", *_PCK_COLUMNS)]
        cells = [
            f"{figures['frames']:.0f}",
            f"{figures['persons']:.0f}",
            *(f"{value:.3f}" for value in values),
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    speed, minutes = report["ms"], report["minutes"]
    rows.append(
        f"\nIn float32 with two threads the bare networks take {speed['frame']} ms per frame (batch 32) and "
        f"{speed['crop']} ms per crop (batch 64, decoding included);\nthe recipe took {minutes} minutes."
    )
    return "\n".join(rows)


def update_docs(page: Path, report: dict[str, Any]) -> None:
    """Put the figures between the two marks of a Markdown page.

    Raises:
        HeatpoolError: if the page lacks the marks.
    """
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(_MARKS[0])
    _, ended, after = rest.partition(_MARKS[1])
    if not (found and ended):
        raise HeatpoolError(f"expected the marks {_MARKS[0]} and {_MARKS[1]} in {page}")
    page.write_text(f"{before}{_MARKS[0]}\n{figures_table(report)}\n{_MARKS[1]}{after}", encoding="utf-8")


def main() -> None:
    """Run the recipe from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m heatpool.extract.networks.tiny.training.recipe", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and figures.json")
    parser.add_argument("--docs", type=Path, help="Markdown page whose table of figures is renewed")
    args = parser.parse_args()
    report = run(args.out, recipe=TinyRecipe())
    print(json.dumps(report, indent=2))
    if args.docs is not None:
        update_docs(args.docs, report)


if __name__ == "__main__":
    main()
