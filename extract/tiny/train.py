"""The recipe of the tiny networks: `python -m extract.tiny.train --out extract/tiny/weights`.

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

from extract.tiny.backbone import build_detector, load_tiny_backbone, load_tiny_detector
from extract.tiny.demo_frames import demo_frames
from extract.tiny.evaluate import evaluate, milliseconds
from extract.tiny.network import TinyPose
from extract.tiny.rendering import RenderedSet, render_set
from extract.tiny.training import Recipe, train_detector, train_pose
from extract.tiny.weights import DETECTOR_FILE, FIGURES_FILE, POSE_FILE, load_weights, save_weights

__all__ = ["main", "run"]


def run(out: Path, *, recipe: Recipe) -> dict[str, Any]:
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
        for file, module in ((POSE_FILE, TinyPose()), (DETECTOR_FILE, build_detector())):
            load_weights(module, folder / file)
            save_weights(module, out / file, facts=facts)
    speed = milliseconds(detector=detector, backbone=backbone, threads=2)
    report = {**facts, "losses": losses, "ms": speed, "minutes": round((time.monotonic() - started) / 60, 1)}
    (out / FIGURES_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _pose_job(rendered: RenderedSet, recipe: Recipe, path: Path) -> list[float]:
    _one_thread()
    network, losses = train_pose(rendered, recipe)
    save_weights(network, path, facts={})
    return losses


def _detector_job(rendered: RenderedSet, recipe: Recipe, path: Path) -> list[float]:
    _one_thread()
    model, losses = train_detector(rendered, recipe)
    save_weights(model, path, facts={})
    return losses


def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    cv2.setNumThreads(1)


def main() -> None:
    """Run the recipe from the command line."""
    parser = argparse.ArgumentParser(prog="python -m extract.tiny.train", description=run.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and figures.json")
    args = parser.parse_args()
    print(json.dumps(run(args.out, recipe=Recipe()), indent=2))


if __name__ == "__main__":
    main()
