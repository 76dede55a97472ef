"""What the networks see in a video, drawn over it.

The video is read up to three times: to find persons, to pose the chosen ones, to draw. No frame is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.engine.estimators import PoseEstimator
from heatpool.extract.engine.slots import SELECTIONS
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import PoseBackbone
from heatpool.extract.video.reader import probe
from heatpool.pipelines.drawing.choice import choose_persons
from heatpool.pipelines.drawing.detection_pass import (
    DetectionPass,
    KnownBoxes,
    TappedHeatmaps,
    pose_again,
    pose_kept,
    run_detection_pass,
)
from heatpool.pipelines.drawing.energy import EnergyChart, draw_sheet
from heatpool.pipelines.drawing.scene import HeatFile, Scene
from heatpool.pipelines.drawing.video_writer import create_video, write_png
from heatpool.pipelines.drawing.view import View, scaled_size
from heatpool.pipelines.extraction.backends import (
    build_backbone,
    build_detector,
    build_one_stage,
    build_top_down,
    known_joints,
)
from heatpool.pipelines.extraction.choose import choose_networks
from heatpool.pipelines.extraction.given import read_given
from heatpool.pipelines.extraction.places import is_demo
from heatpool.pipelines.options.visualize import VisualizeOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import Skeleton

__all__ = ["DrawnVideo", "visualize"]

_log = logging.getLogger(__name__)

_TILE_PX = 480  # longer side of a picture on the sheet


@dataclass(frozen=True)
class DrawnVideo:
    """What was drawn of a video.

    Attributes:
        files: that were written: annotated video, contact sheet.
        frames: that were drawn.
        persons: by person slot, from 0 on, frames with that person; slots that were ever filled.
        damage: what is wrong with the video, "" when nothing is.
    """

    files: tuple[Path, ...]
    frames: int
    persons: Mapping[int, int]
    damage: str


def visualize(options: VisualizeOptions) -> DrawnVideo:
    """Draw the persons, joints, heatmaps and pooled energy of a video over it.

    Args:
        options: with `out`, `sheet` or both.

    Raises:
        HeatpoolError: if an option, the video or the weights are not as they must be, or a file is there.
    """
    options = options.resolved()
    set_threads(options.threads)
    device = pick_device(options.device)
    options = choose_networks(options, demo=is_demo(options.video), device=device.type)
    backbone = build_backbone(options, device=device)
    clip = Clip(options.video.stem, options.video)
    given = read_given(options, Manifest((clip,), (), options.video.parent))
    with HeatFile() as heat:
        detected, scene = _watch(options, backbone, heat, given, device=device)
        scene = replace(scene, skeleton=known_joints(options, backbone, given))
        if not len(heat) and options.heatmaps != "none" and scene.filled.any():
            _log.info("%s gives no heatmaps to draw", backbone.name)
        title = f"{options.video.name}: L2 norm of the pooled features, {backbone.name} {backbone.tap}"
        _draw(options, detected, scene, heat, title=title)
    return DrawnVideo(
        files=tuple(path for path in (options.out, options.sheet) if path),
        frames=len(detected.frames),
        persons={slot: int(filled.sum()) for slot, filled in enumerate(scene.filled) if filled.any()},
        damage=detected.info.damage,
    )


def _watch(
    options: VisualizeOptions,
    backbone: PoseBackbone | YoloPose,
    heat: HeatFile,
    given: GivenPersons | None,
    *,
    device: torch.device,
) -> tuple[DetectionPass, Scene]:
    """Find the persons of the video, choose who fills the slots, pose them."""
    which = _drawn_joints(options.heatmaps, backbone.skeleton)
    selection = SELECTIONS[options.person_selection]
    if isinstance(backbone, YoloPose):
        one_stage = build_one_stage(backbone, given)
        detected = _detect(options, one_stage)
        kept = partial(pose_kept, detected, estimator=one_stage)
        return detected, kept(choose_persons(detected, selection, options.persons, kept))
    network = TappedHeatmaps(backbone, which)
    detector = build_detector(options, given, device=device)
    detected = _detect(options, build_top_down(options, detector, network, given, device=device))

    def pose(chosen: np.ndarray, network: TappedHeatmaps, on_frames: Callable[[int], None]) -> Scene:
        known = build_top_down(options, KnownBoxes(detected, chosen), network, given, device=device)
        return pose_again(
            detected,
            chosen,
            known,
            network=network,
            heat=heat,
            frame_batch=_frame_batch(options),
            person_batch=options.person_batch,
            on_frames=on_frames,
        )

    look = partial(pose, network=TappedHeatmaps(backbone, ()), on_frames=lambda count: None)
    chosen = choose_persons(detected, selection, options.persons, look)
    with Progress("pose", int((chosen >= 0).any(0).sum()), "frames", quiet=options.quiet) as progress:
        return detected, pose(chosen, network, progress.step)


def _detect(options: VisualizeOptions, estimator: PoseEstimator) -> DetectionPass:
    """Find the persons in each frame of the video."""
    info = probe(options.video, start_s=options.start_s, end_s=options.end_s, fps=options.fps)
    frames = -(-info.frames // options.frame_stride)
    with Progress("detect", frames, "frames", quiet=options.quiet) as progress:
        return run_detection_pass(
            options.video,
            estimator,
            info=info,
            stride=options.frame_stride,
            batch=_frame_batch(options),
            on_frames=progress.step,
        )


def _frame_batch(options: VisualizeOptions) -> int:
    assert options.frame_batch is not None, "what `choose_networks` leaves has it"
    return options.frame_batch


def _drawn_joints(heatmaps: str, skeleton: Skeleton) -> list[int]:
    """Return the joints whose heatmaps are drawn."""
    names = skeleton.joint_names
    if heatmaps in ("all", "none"):
        return list(range(skeleton.joints)) if heatmaps == "all" else []
    wanted = [name.strip() for name in heatmaps.split(",")]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise HeatpoolError(
            f"expected --heatmaps all, none or joints out of {', '.join(names)}; got {', '.join(unknown)}"
        )
    return [names.index(name) for name in wanted]


def _draw(
    options: VisualizeOptions, detected: DetectionPass, scene: Scene, heat: HeatFile, *, title: str
) -> None:
    """Read the video once more and write the annotated video, the sheet, or both."""
    frames, times_s = len(detected.frames), detected.time_s
    spread = (np.arange(options.sheet_frames) + 0.5) / options.sheet_frames * frames
    shown = np.unique(spread.astype(int)).tolist() if options.sheet else []
    at = np.arange(frames) if options.out else np.array(shown)
    whole = View.whole(detected.size_px)
    near = View.around(scene.boxes_xyxy_px[scene.filled], size_px=detected.size_px)
    size_px, tile_px = (scaled_size(detected.size_px, longer) for longer in (options.size, _TILE_PX))
    tiles = []
    with ExitStack() as stack:
        progress = stack.enter_context(Progress("draw", len(at), "frames", quiet=options.quiet))
        writer = None
        if options.out:
            chart_px = (size_px[0], max(round(size_px[0] * 0.08) * 2, 120))
            chart = EnergyChart.of(scene, times_s, size_px=chart_px, title=title)
            writer = stack.enter_context(
                create_video(
                    options.out,
                    size_px=(size_px[0], size_px[1] + chart_px[1]),
                    fps=detected.info.fps / options.frame_stride,
                    overwrite=options.overwrite,
                )
            )
        for place, frame in detected.read(at):
            persons = scene.persons(place)
            heatmaps = heat.of_frame(place, persons.slots)
            if writer:
                picture = whole.draw(frame.rgb, persons, size_px=size_px, heatmaps=heatmaps)
                below = chart.at(times_s[place : place + 1])
                writer.write(np.concatenate([picture, below]), float(times_s[place]))
            if place in shown:
                tiles.append(near.draw(frame.rgb, persons, size_px=tile_px, heatmaps=heatmaps))
            progress.step()
    if options.sheet:
        sheet = draw_sheet(tiles, shown, scene, times_s, title=title)
        write_png(options.sheet, sheet, overwrite=options.overwrite)
