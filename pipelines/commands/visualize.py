"""`heatpool visualize`: what the networks see in a video, drawn over it.

The video is read up to three times: to find people, to pose the chosen ones, to draw. No frame is kept.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.engine.estimators import OneStage, Poser
from heatpool.extract.engine.tracking import SELECTIONS
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import PoseBackbone
from heatpool.extract.video.reader import probe
from heatpool.pipelines.command_table import CLIPS_FAILED
from heatpool.pipelines.drawing.clip_frames import View
from heatpool.pipelines.drawing.detection_pass import (
    KnownBoxes,
    TappedHeatmaps,
    look_at,
    pose_again,
    pose_kept,
)
from heatpool.pipelines.drawing.pictures import EnergyChart, draw_frame, draw_sheet, drawn_size, joint_names
from heatpool.pipelines.drawing.scene import HeatFile, Scene, Sighting
from heatpool.pipelines.drawing.video_writer import Film, write_png
from heatpool.pipelines.extraction.backends import build_backbone, build_detector, build_top_down
from heatpool.pipelines.extraction.choose import choose_networks
from heatpool.pipelines.extraction.demo_data import is_demo
from heatpool.pipelines.options import VisualizeOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.errors import HeatpoolError

__all__ = ["run"]

_TILE_PX = 480  # longer side of a picture on the sheet


def run(config: VisualizeOptions) -> int:
    """Draw a video; return 0, or 3 when it is truncated or damaged.

    Raises:
        HeatpoolError: if an option, the video or the weights are not as they must be, or a file is there.
    """
    config = _with_outputs(config.resolved())
    if not config.video.is_file():
        raise HeatpoolError(f"expected a video file, got {config.video}")
    choice = choose_networks(config, demo=is_demo(config.video))
    config = choice.options
    for reason in () if config.quiet else choice.reasons:
        print(reason, file=sys.stderr)
    set_threads(config.threads)
    device = pick_device(config.device)
    backbone = build_backbone(config, device=device)
    with HeatFile() as heat:
        sighting, scene = _watch(config, backbone, heat, device=device)
        if not len(heat) and config.heatmaps != "none" and scene.filled.any() and not config.quiet:
            print(f"{backbone.name} gives no heatmaps to draw", file=sys.stderr)
        title = f"{config.video.name}: L2 norm of the pooled features, {backbone.name} {backbone.tap}"
        _draw(config, sighting, scene, heat, title=title)
    return _report(config, sighting, scene)


def _with_outputs(config: VisualizeOptions) -> VisualizeOptions:
    """Return the options with what is to be written, none of which is in the way."""
    if config.out is None and config.sheet is None:
        config = replace(config, out=Path(f"{config.video.stem}-overlay.mp4"))
    for path in (config.out, config.sheet):
        if path is None:
            continue
        if path.exists() and (not config.overwrite or path.samefile(config.video)):
            raise HeatpoolError(f"{path} exists; choose another file or replace it with --overwrite")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HeatpoolError(f"cannot write {path}: {error.strerror}") from error
    return config


def _watch(
    config: VisualizeOptions, backbone: PoseBackbone | YoloPose, heat: HeatFile, *, device: torch.device
) -> tuple[Sighting, Scene]:
    """Find the people of the video, choose who fills the slots, pose them."""
    which = _drawn_joints(config.heatmaps, backbone.joints)
    if isinstance(backbone, YoloPose):
        one_stage = OneStage(backbone)
        sighting, chosen = _look(config, one_stage)
        return sighting, pose_kept(sighting, chosen, one_stage)
    network = TappedHeatmaps(backbone, which)
    manifest = Manifest((Clip(config.video.stem, config.video),), (), config.video.parent)
    detector = build_detector(config, manifest, device=device)
    sighting, chosen = _look(config, build_top_down(config, detector, network, device=device))
    known = build_top_down(config, KnownBoxes(sighting, chosen), network, device=device)
    with Progress("pose", int((chosen >= 0).any(0).sum()), "frames", quiet=config.quiet) as progress:
        scene = pose_again(
            sighting,
            chosen,
            known,
            network=network,
            heat=heat,
            frame_batch=config.frame_batch,
            person_batch=config.person_batch,
            on_frames=progress.step,
        )
    return sighting, scene


def _look(config: VisualizeOptions, poser: Poser[Any]) -> tuple[Sighting, np.ndarray]:
    """Return what is in the video, and (M, F) which detection fills a slot in a frame."""
    info = probe(config.video, start_s=config.start_s, end_s=config.end_s)
    frames = -(-info.frames // config.frame_stride)
    with Progress("look", frames, "frames", quiet=config.quiet) as progress:
        sighting = look_at(
            config.video,
            poser,
            info=info,
            stride=config.frame_stride,
            batch=config.frame_batch,
            on_frames=progress.step,
        )
    return sighting, SELECTIONS[config.person_selection](sighting.detections(), config.persons)


def _drawn_joints(heatmaps: str, joints: int) -> list[int]:
    """Return the joints whose heatmaps are drawn."""
    names = joint_names(joints)
    if heatmaps in ("all", "none"):
        return list(range(joints)) if heatmaps == "all" else []
    wanted = [name.strip() for name in heatmaps.split(",")]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise HeatpoolError(
            f"expected --heatmaps all, none or joints out of {', '.join(names)}; got {', '.join(unknown)}"
        )
    return [names.index(name) for name in wanted]


def _draw(config: VisualizeOptions, sighting: Sighting, scene: Scene, heat: HeatFile, *, title: str) -> None:
    """Read the video once more and write the film, the sheet, or both."""
    frames, times_s = len(sighting.frames), sighting.time_s
    spread = (np.arange(config.sheet_frames) + 0.5) / config.sheet_frames * frames
    shown = np.unique(spread.astype(int)).tolist() if config.sheet else []
    at = np.arange(frames) if config.out else np.array(shown)
    whole, near = _views(sighting, scene)
    size_px, tile_px = (drawn_size(sighting.size_px, longer) for longer in (config.size, _TILE_PX))
    tiles = []
    with ExitStack() as stack:
        progress = stack.enter_context(Progress("draw", len(at), "frames", quiet=config.quiet))
        film = None
        if config.out:
            chart_px = (size_px[0], max(round(size_px[0] * 0.08) * 2, 120))
            chart = EnergyChart.of(scene, times_s, size_px=chart_px, title=title)
            fps = sighting.info.fps / config.frame_stride
            film = stack.enter_context(
                Film(config.out, size_px=(size_px[0], size_px[1] + chart_px[1]), fps=fps)
            )
        for place, frame in sighting.read(at):
            if film:
                picture = draw_frame(frame.rgb, scene, place, heat=heat, view=whole, size_px=size_px)
                below = chart.at(times_s[place : place + 1])
                film.write(np.concatenate([picture, below]), float(times_s[place]))
            if place in shown:
                tiles.append(draw_frame(frame.rgb, scene, place, heat=heat, view=near, size_px=tile_px))
            progress.step()
    if config.sheet:
        write_png(config.sheet, draw_sheet(tiles, shown, scene, times_s, title=title))


def _views(sighting: Sighting, scene: Scene) -> tuple[View, View]:
    """Return the whole frame, and the part of it that people are in at any time."""
    width_px, height_px = sighting.size_px
    whole = View(0, 0, width_px, height_px)
    boxes_xyxy_px = scene.boxes_xyxy_px[scene.filled]
    if not len(boxes_xyxy_px):
        return whole, whole
    return whole, View.around(boxes_xyxy_px, width_px=width_px, height_px=height_px)


def _report(config: VisualizeOptions, sighting: Sighting, scene: Scene) -> int:
    """Say what was written and seen; return the exit code."""
    damage = sighting.info.damage
    seen = [(slot + 1, int(filled.sum())) for slot, filled in enumerate(scene.filled) if filled.any()]
    people = ", ".join(f"person {slot} in {count}" for slot, count in seen) or "nobody was found"
    written = " and ".join(str(path) for path in (config.out, config.sheet) if path)
    if not config.quiet or damage:
        end = f"; {config.video.name} is damaged: {damage}" if damage else ""
        print(f"{written}: {len(sighting.frames)} frames, {people}{end}", file=sys.stderr)
    return CLIPS_FAILED if damage else 0
