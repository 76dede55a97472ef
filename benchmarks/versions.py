"""How far pooled features move with the versions of the packages that make them: docs/versions.md.

Usage: python -m benchmarks.versions --videos a.mp4 … [--packages av==17.1.0 …] [--networks "--backend …" …]
           [--page docs/versions.md]

For each version a virtual environment is made in a temporary folder, one at a time: it sees the packages that
run this benchmark, and in their place the one version. There `heatpool extract` runs over the same clips, and
its features are held against those of the environment of this benchmark: ‖after − before‖ / ‖before‖ over all
of a clip, and of the joint's vector at one step that moved most. Clips: videos as they are, and encoded anew
and tagged BT.709, as most cameras and sites tag HD.
"""

from __future__ import annotations

import argparse
import os
import shlex
import site
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from benchmarks.blocks import replace_block
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pool.store.reader import FeatureStore

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "opencv-python==4.10.0.84", "opencv-python==4.14.0.94", "av==17.1.0", "ultralytics==8.4.160",
    "onnxruntime==1.20.0",
)  # fmt: skip
"""The least that setup.cfg allows of what is in every feature, and the newest OpenCV before 5."""

NETWORKS = ("--backend yolo-pose --weights yolo11n-pose.pt",)
_SOME_CLIPS_FAILED = 3  # exit code of `heatpool extract`
_SPECIFIED_BY_BT709 = 1  # H.273's number of these primaries and of this transfer


@dataclass(frozen=True)
class Change:
    """How far features moved, as a share of their length: all of a clip, and one joint's at one step."""

    clip: float
    joint: float

    @classmethod
    def of(cls, before: FeatureStore, after: FeatureStore, number: int) -> Change | None:
        """Compare a clip of two stores where both saw the same persons; None if one lacks it."""
        first, second = (store.read([number], ("pooled", "mask")) for store in (before, after))
        seen = first["mask"] & second["mask"]
        if not seen.any():
            return None
        old, new = (each["pooled"][seen].astype(np.float64) for each in (first, second))
        moved, length = np.linalg.norm(new - old, axis=-1), np.linalg.norm(old, axis=-1)
        whole = np.linalg.norm(moved) / np.linalg.norm(length)
        return cls(float(whole), float((moved / np.maximum(length, 1e-6)).max()))


def encode_tagged(source: Path, target: Path, *, frames: int) -> None:
    """Write the first frames of a video as H.264 whose colours are converted and tagged by BT.709."""
    info = probe(source)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(info.fps).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = info.width_px, info.height_px, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range = Colorspace.ITU709.value, ColorRange.MPEG.value
        context.color_primaries = context.color_trc = _SPECIFIED_BY_BT709
        for frame in iter_frames(source, np.arange(min(frames, info.frames)), info=info):
            picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")
            converted = picture.reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            container.mux(stream.encode(converted))
        container.mux(stream.encode())


def make_environment(folder: Path, package: str) -> Path:
    """Make an environment like this one but for one package; return its Python."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    (purelib,) = folder.glob("lib/python*/site-packages")
    (purelib / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet"]
    subprocess.run([*command, "--disable-pip-version-check", "--no-deps", package], check=True)
    return folder / "bin/python"


def extract(python: Path, videos: Path, out: Path, *, network: str, threads: int) -> FeatureStore | str:
    """Extract with this clone's heatpool and the packages of an environment; the reason if it does not."""
    words = ["extract", str(videos), str(out), "--device", "cpu", "--threads", str(threads), "--quiet"]
    command = [str(python), "-m", "heatpool", *words, *shlex.split(network)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, text=True, capture_output=True)
    if done.returncode not in (0, _SOME_CLIPS_FAILED):
        return (done.stderr.strip().splitlines() or ["no reason"])[-1]
    return FeatureStore.open(out)


def row(package: str, before: FeatureStore, after: FeatureStore | str, *, network: str) -> str:
    """Return the row of the table, with a cell for each clip."""
    if isinstance(after, str):
        return f"| {package} | {network} | does not run: {after[:200]} |"
    results = after.results(np.arange(len(after)))
    cells = [
        f"{change.clip:.2%}, {change.joint:.1%}"
        if (change := Change.of(before, after, at))
        else result.reason
        for at, result in enumerate(results)
    ]
    return f"| {package} | {network} | {' | '.join(cells)} |"


def measure(packages: Sequence[str], networks: Sequence[str], videos: Path, *, threads: int) -> list[str]:
    """Return the lines of the table; what is done is said on stderr."""
    with tempfile.TemporaryDirectory() as scratch:
        now = {}
        for number, network in enumerate(networks):
            found = extract(Path(sys.executable), videos, Path(scratch, f"now_{number}.zarr"),
                            network=network, threads=threads)  # fmt: skip
            if isinstance(found, str):
                raise SystemExit(f"{network}: {found}")
            now[network] = found
        clips = now[networks[-1]].clips.index.clip_id
        table = [f"| package | network | {' | '.join(clips)} |", "|---" * (2 + len(clips)) + "|"]
        for package in packages:
            with tempfile.TemporaryDirectory() as folder:  # one environment at a time
                python = make_environment(Path(folder, "env"), package)
                for number, network in enumerate(networks):
                    out = Path(folder, f"{number}.zarr")
                    after = extract(python, videos, out, network=network, threads=threads)
                    table.append(row(package, now[network], after, network=_short(network)))
                    print(table[-1], file=sys.stderr, flush=True)
    return table


def _short(network: str) -> str:
    """The weights of a network, which name it."""
    words = shlex.split(network)
    given = dict(pairwise(words))
    return Path(given.get("--weights", given.get("--backend", network))).name


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=Path, nargs="+", required=True, help="with people")
    parser.add_argument("--packages", nargs="+", default=PACKAGES, help="name==version, each")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="options of heatpool extract, each")
    parser.add_argument("--frames", type=int, default=60, help="of each tagged one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--page", type=Path, help="write the table into this page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        videos = Path(folder)
        for video in options.videos:
            (videos / video.name).symlink_to(video.resolve())
            encode_tagged(video, videos / f"{video.stem} tagged BT.709.mkv", frames=options.frames)
        table = "\n".join(measure(options.packages, options.networks, videos, threads=options.threads))
    print(table)
    if options.page is not None:
        text = options.page.read_text(encoding="utf-8")
        command = f"    python -m benchmarks.versions {shlex.join(sys.argv[1:])}".rstrip()
        options.page.write_text(replace_block(text, "versions", f"{command}\n\n{table}"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
