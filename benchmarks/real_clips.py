"""Real clips by this build and by an older one: whether statuses and features stay where they were right.

Usage: python -m benchmarks.real_clips --old CLONE [--videos ../shared/videos] [--out work_dirs/real_clips]
       [--limit 20] [-- options of heatpool extract]

Without options whole frames go through the tiny network, which tells what is read; after `--` others may be
asked for: `--weights /w/pose.onnx --tap T --boxes /v/boxes.csv`. Stores are kept in --out, by commit and
options, so that the older build runs once. Prints Markdown: statuses, differences, and for each clip that
changed what may explain it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.check_videos import VideoReport, check_videos
from heatpool.extract.datasets.folder import read_videos
from heatpool.pool.records import ClipFeatures, ClipResult
from heatpool.pool.store.reader import FeatureStore

HERE = Path(__file__).parents[1]
_WHOLE_FRAMES = ("--backend", "tiny", "--detector", "full-frame")
_EQUAL = 1e-3  # relative; float16 is good for 5e-4
_SAME_BOX = 2e-3  # of the picture's size


@dataclass(frozen=True)
class Change:
    """A clip by both builds.

    Attributes:
        clip_id: its name.
        old: outcome by the older build.
        new: by this one.
        seen: persons' steps by the older build, by this one, and those of the same box in both, in any slot.
        difference: of the pooled features at the latter, |new - old| / |old|; NaN where there are none.
    """

    clip_id: str
    old: ClipResult
    new: ClipResult
    seen: tuple[int, int, int]
    difference: float

    @property
    def changed(self) -> bool:
        """Whether status, frames, persons or features are others."""
        same = (self.old.status, self.old.frames) == (self.new.status, self.new.frames)
        return not same or len(set(self.seen)) > 1 or self.difference > _EQUAL


def extract(clone: Path, videos: Path, out: Path, words: list[str], *, again: bool) -> FeatureStore:
    """Extract by the build in a clone, unless that was done; its clips are all there are below `videos`."""
    if again or not (out / "finished.json").exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "heatpool", "extract", videos, "--out", out, "--overwrite", *words]
        done = subprocess.run(
            [*map(str, command)], cwd=out.parent, env={**os.environ, "PYTHONPATH": str(clone)}
        )
        if done.returncode not in (0, 3):
            raise SystemExit(f"{clone}: extraction ended with exit code {done.returncode}")
    return FeatureStore.open(out)


def compare(old: FeatureStore, new: FeatureStore) -> Iterator[Change]:
    """Compare the clips that both have."""
    places = {name: row for row, name in enumerate(old.clips.clip_ids(range(len(old))))}
    for row, name in enumerate(new.clips.clip_ids(range(len(new)))):
        if name not in places:
            continue
        (before,), (after,) = old.results([places[name]]), new.results([row])
        was, now = old.clip(places[name]), new.clip(row)
        steps, steps_now = (0 if clip is None else int(clip.mask.sum()) for clip in (was, now))
        if was is None or now is None:
            yield Change(name, before, after, (steps, steps_now, 0), float("nan"))
            continue
        pairs = _same_boxes(was, now)
        one, other = was.pooled[pairs[:, 0], pairs[:, 2]], now.pooled[pairs[:, 1], pairs[:, 2]]
        difference = float(np.linalg.norm(other - one) / (np.linalg.norm(one) or 1)) if len(pairs) else np.nan
        yield Change(name, before, after, (steps, steps_now, len(pairs)), difference)


def _same_boxes(was: ClipFeatures, now: ClipFeatures) -> np.ndarray:
    """Return (n, 3): slots of both clips, and the steps at which these hold the same box."""
    apart = np.abs(was.boxes[:, None] - now.boxes[None]).max(-1)
    return np.argwhere((apart < _SAME_BOX) & was.mask[:, None] & now.mask[None])


def why(change: Change, report: VideoReport) -> str:
    """Name what about a video, or about the outcome, may explain its change."""
    old, new = change.old, change.new
    reasons = [
        f"pixels of {report.pixel_aspect:g}:1" if report.pixel_aspect != 1 else "",
        f"turned by {report.rotation_deg} degrees" if report.rotation_deg else "",
        "mirrored" if report.mirrored else "",
        f"HDR ({report.hdr})" if report.hdr else "",
        f"{old.frames} → {new.frames} frames" if old.frames != new.frames else "",
        f"{old.width_px} x {old.height_px} → {new.width_px} x {new.height_px} pixels"
        if (old.width_px, old.height_px) != (new.width_px, new.height_px)
        else "",
        "" if len(set(change.seen)) == 1 else "persons were found at other steps, or others were chosen",
    ]
    return ", ".join(filter(None, reasons)) or "colours, the network or its crops"


def report(changes: list[Change], reports: dict[str, VideoReport]) -> str:
    """Write the tables."""
    found = np.array([each.difference for each in changes if not np.isnan(each.difference)])
    statuses = sum(each.old.status != each.new.status for each in changes)
    old, new, same = np.sum([each.seen for each in changes], axis=0)
    equal = f"{int((found == 0).sum())} of {len(found)} clips"
    lines = [
        "| clips | status changed | persons' steps: old, new, of the same box | features of these equal "
        "| median difference | largest |",
        "|---" * 6 + "|",
        f"| {len(changes)} | {statuses} | {old}, {new}, {same} | {equal} "
        f"| {np.median(found):.2%} | {found.max():.2%} |",
    ]
    changed = [each for each in changes if each.changed]
    if changed:
        lines += [
            "",
            "| clip | status | persons' steps | difference | what may explain it |",
            "|---" * 5 + "|",
        ]
    for each in sorted(changed, key=lambda change: -np.nan_to_num(change.difference, nan=np.inf)):
        names = [each.old.status.name.lower(), each.new.status.name.lower()]
        status = " → ".join(dict.fromkeys(names))
        seen = "{}, {}, {}".format(*each.seen)
        difference = "" if np.isnan(each.difference) else f"{each.difference:.2%}"
        reason = why(each, reports[each.clip_id])
        lines.append(f"| {each.clip_id} | {status} | {seen} | {difference} | {reason} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, help="clone of the older build")
    parser.add_argument("--videos", type=Path, default=Path("../shared/videos"), help="folder of real videos")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/real_clips"))
    parser.add_argument("--limit", type=int, default=0, help="take the first so many clips, 0 = all")
    parser.add_argument("words", nargs="*", help="options of heatpool extract")
    options = parser.parse_args()
    words = [*(options.words or _WHOLE_FRAMES), "--limit", str(options.limit)]
    videos, old = options.videos.resolve(), options.old.resolve()
    commit = subprocess.run(
        ["git", "-C", old, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    run = hashlib.sha256("\n".join([str(videos), *words]).encode()).hexdigest()[:8]
    place = options.out.resolve()
    before = extract(old, videos, place / f"{commit.stdout[:8]}_{run}.zarr", words, again=False)
    after = extract(HERE, videos, place / f"this_{run}.zarr", words, again=True)
    clips = {clip.clip_id: clip.path for clip in read_videos(videos).clips}
    checked = check_videos(dict.fromkeys(clips.values(), 0.0), workers=os.cpu_count() or 1)
    print(report(list(compare(before, after)), {name: checked[path] for name, path in clips.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
