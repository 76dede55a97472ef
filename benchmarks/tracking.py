"""Persons that slots keep, of simulated detectors that miss some: today, and by an older build.

Usage: python -m benchmarks.tracking [--old OLD] [--clips 20]

OLD is a clone of the older build. Somebody enters in a frame of 128 that are read, and walks straight on or,
turning abruptly, to and fro in a picture of twenty box widths; with a second one, they meet once or again and
again, at nearly the same height. A detector finds each with a probability in each frame, sure or not (scores
0.3 to 0.9), with boxes that jitter by three per cent of their size. Kept is the share of the found detections
of a person that fill the slot which has most of them; a switch is a change of the person within a slot. Means
over clips, summed over persons.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
FRAMES, WIDTH_PX, HEIGHT_PX, PICTURE = 128, 60.0, 160.0, 20.0
FOUND, ENTRIES, SPEEDS = (1.0, 0.7, 0.5, 0.3), (0, 10, 50), (0.1, 0.2, 0.4, 0.8)

# Runs in each build: scenes of frames of rows (x1, y1, x2, y2, score) → the rows that fill the slots.
_PROGRAM = """
import json, sys
import numpy as np
try:
    from heatpool.extract.engine.slots import select_tracked
except ImportError:  # builds before the slots had a module
    from heatpool.extract.engine.tracking import select_tracked
from heatpool.extract.records import Detections
chosen = []
for scene, persons in json.load(open(sys.argv[1])):
    rows = [np.array(frame, np.float32).reshape(-1, 5) for frame in scene]
    chosen.append(select_tracked([Detections(each[:, :4], each[:, 4]) for each in rows], persons).tolist())
json.dump(chosen, open(sys.argv[2], "w"))
"""

Scene = list[list[tuple[float, ...]]]  # by frame: x1, y1, x2, y2, score, person; most confident first


def simulate(
    rng: np.random.Generator, *, found: float, entry: int, speed: float, persons: int, to_and_fro: bool
) -> Scene:
    """Simulate the detections of a clip.

    Args:
        rng: of everything random.
        found: probability with which a person is found in a frame.
        entry: frame in which the persons enter.
        speed: of each, in box widths a frame.
        persons: 1, or 2 who walk towards each other.
        to_and_fro: they turn round at the edges of the picture, and do not walk on for ever.
    """
    scene: Scene = []
    starts = rng.uniform(0, PICTURE, 1).repeat(persons)
    heights_px = HEIGHT_PX * rng.uniform(0.9, 1.1, persons)
    starts[1:] = PICTURE - starts[0]
    for frame in range(FRAMES):
        rows = []
        for person in range(persons):
            moved = speed * (frame - entry) * (1, -1)[person]
            at = starts[person] + moved
            if to_and_fro:
                at = PICTURE - abs(at % (2 * PICTURE) - PICTURE)
            if frame < entry or rng.random() >= found:
                continue
            sizes = np.array([WIDTH_PX, heights_px[person]])
            centre = np.array([at * WIDTH_PX, 300 + 10 * person]) + rng.normal(0, 0.03, 2) * sizes
            half = sizes * (1 + rng.normal(0, 0.03, 2)) / 2
            rows.append((*(centre - half), *(centre + half), rng.uniform(0.3, 0.9), person))
        scene.append(sorted(rows, key=lambda row: -row[4]))
    return scene


def choose(build: Path, scenes: Sequence[tuple[Scene, int]]) -> list[list[list[int]]]:
    """Fill the slots of scenes, given with their numbers of persons, by a build."""
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder, "scenes.json"), Path(folder, "chosen.json")
        plain = [([[row[:5] for row in frame] for frame in scene], persons) for scene, persons in scenes]
        given.write_text(json.dumps(plain))
        command = [sys.executable, "-c", _PROGRAM, str(given), str(answer)]
        # Not in the folder of a clone, which Python would import before PYTHONPATH.
        subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(build)}, check=True)
        chosen: list[list[list[int]]] = json.loads(answer.read_text())
    return chosen


def judge(scene: Scene, chosen: Sequence[Sequence[int]]) -> tuple[float, int]:
    """Return the share of the detections that are kept, and the identity switches."""
    kept: dict[tuple[int, int], int] = {}
    switches = 0
    for slot, numbers in enumerate(chosen):
        filled = [int(frame[at][5]) for frame, at in zip(scene, numbers, strict=True) if at >= 0]
        switches += int(np.count_nonzero(np.diff(filled)))
        for person in filled:
            kept[person, slot] = kept.get((person, slot), 0) + 1
    people = {int(row[5]) for frame in scene for row in frame}
    best = sum(max((kept.get((each, slot), 0) for slot in range(len(chosen))), default=0) for each in people)
    return best / max(sum(map(len, scene)), 1), switches


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--old", type=Path)
    parser.add_argument("--clips", type=int, default=20)
    options = parser.parse_args()
    builds = {"today": ROOT} | ({"older": options.old.absolute()} if options.old else {})
    rng = np.random.default_rng(0)
    cases = [
        (walk, persons, found, entry, speed)
        for walk in ("straight", "to and fro")
        for persons in (1, 2)
        for found in FOUND
        for entry in (ENTRIES if persons == 1 else (0,))
        for speed in SPEEDS
    ]
    scenes = [
        [
            simulate(
                rng, found=found, entry=entry, speed=speed, persons=persons, to_and_fro=walk == "to and fro"
            )
            for _ in range(options.clips)
        ]
        for walk, persons, found, entry, speed in cases
    ]
    given = [(scene, case[1]) for case, each in zip(cases, scenes, strict=True) for scene in each]
    answers = {name: iter(choose(build, given)) for name, build in builds.items()}
    kept = "kept % (switches), " + " / ".join(builds)
    print(
        f"{kept}\n\n| walk | persons | found | entry frame | "
        + " | ".join(map(str, SPEEDS))
        + " widths a frame |"
    )
    print("|---" * (4 + len(SPEEDS)) + "|")
    for at in range(0, len(cases), len(SPEEDS)):
        walk, persons, found, entry, _ = cases[at]
        cells = [walk, str(persons), f"{found:.0%}", str(entry)]
        for each in scenes[at : at + len(SPEEDS)]:
            means = [
                np.mean([judge(scene, next(answer)) for scene in each], axis=0) for answer in answers.values()
            ]
            cells.append(" / ".join(f"{100 * share:.0f} ({switches:.1f})" for share, switches in means))
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
