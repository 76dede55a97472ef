"""Stage one on a GPU: how busy the engine keeps it, and NVDEC against the CPU's decoders.

Usage: python -m benchmarks.gpu_engine VIDEO... [--device cuda] [--clips 32] [--threads 8]
           [--backends hrnet-simcc vitpose yolo-pose] [--dtype float16] [--dry-run]

First decoding alone: every frame that 64 steps read, as RGB on the host; "differs" is the largest difference
of a value from the CPU's decoders, of 255. Then the whole engine. "Busy" is the share of the wall time in
which some kernel runs, as CUDA's profiler has it. The videos are taken in turn until there are enough clips.
--dry-run decodes on the CPU alone and takes the tiny networks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.profiler import DeviceType, ProfilerActivity, profile

from benchmarks.networks import estimator
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.extract.video.clip_events import ClipEnd, ClipFrame
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pipelines.process.malloc import keep_heap

STEPS = 64
DECODE_HEAD = "| decoder | threads | frames/s read | clips/s | failed | differs |\n|---|---|---|---|---|---|"
ENGINE_HEADS = ("backend", "dtype", "runtime", "decoder", "clips/s", "frames/s of the clips", "busy", "MiB")
RUNS: tuple[tuple[Runtime, tuple[str, ...]], ...] = (("torch", ("cpu", "nvdec")), ("cuda-graphs", ("nvdec",)))


def jobs_of(videos: Sequence[Path], count: int, folder: Path) -> list[ClipJob]:
    """Return so many clips under names of their own: those of one file would be read together."""
    jobs = []
    for at in range(count):
        source = videos[at % len(videos)].resolve()
        path = folder / f"{at}{source.suffix}"
        path.symlink_to(source)
        jobs.append(ClipJob(at, path))
    return jobs


def on_gpu(jobs: Iterable[ClipJob], decoder: str) -> list[ClipJob]:
    """Return clips that a decoder, cpu or nvdec, reads."""
    gpu = 0 if decoder == "nvdec" else None
    return [ClipJob(job.clip, job.path, gpu=gpu) for job in jobs]


def difference(videos: Sequence[Path]) -> int:
    """Return the largest difference of a value between NVDEC's frames and the CPU's, some frames a video."""
    most = 0
    for path in videos:
        info = probe(path)
        some = np.unique(np.linspace(0, info.frames - 1, 8).astype(int))
        pairs = zip(
            iter_frames(path, some, info=info, gpu=0), iter_frames(path, some, info=info), strict=True
        )
        for mine, theirs in pairs:
            most = max(most, int(np.abs(mine.rgb.astype(int) - theirs.rgb).max()))
    return most


def measure_decoding(jobs: Sequence[ClipJob], videos: Sequence[Path], options: argparse.Namespace) -> None:
    """Print the table of decoding."""
    print(DECODE_HEAD, flush=True)
    for decoder in ("cpu",) if options.dry_run else ("cpu", "nvdec"):
        differs = difference(videos) if decoder == "nvdec" else 0
        for threads in sorted({1, options.threads}):
            begun, frames, failed = time.perf_counter(), 0, 0
            for event in decode_ahead(on_gpu(jobs, decoder), steps=STEPS, threads=threads):
                frames += isinstance(event, ClipFrame)
                failed += isinstance(event, ClipEnd) and event.failed
            seconds = time.perf_counter() - begun
            cells = f"{frames / seconds:,.0f} | {len(jobs) / seconds:.1f} | {failed} | {differs}"
            print(f"| {decoder} | {threads} | {cells} |", flush=True)
    print()


def busy_s(done: profile) -> float:
    """Return the seconds in which a kernel ran; several at a time count once."""
    events = done.events() or []
    spans = sorted(
        (each.time_range.start, each.time_range.end)
        for each in events
        if each.device_type == DeviceType.CUDA and not each.name.startswith("Mem")
    )
    total, reached = 0.0, 0.0
    for begin, end in spans:
        total += max(end - max(begin, reached), 0)
        reached = max(reached, end)
    return total / 1e6


def measure_engine(backend: str, jobs: Sequence[ClipJob], options: argparse.Namespace) -> None:
    """Print a backend's rows."""
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    how = EngineOptions(persons=1, steps=STEPS, decode_threads=options.threads)
    activity = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    for runtime, decoders in RUNS[:1] if options.dry_run else RUNS:
        network = estimator(backend, device=device, dtype=dtype, runtime=runtime)
        extract_clips(jobs[:4], how, estimator=network)  # warm-up
        for decoder in decoders[:1] if options.dry_run else decoders:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            with profile(activities=[activity]) as done:
                begun = time.perf_counter()
                outcomes = extract_clips(on_gpu(jobs, decoder), how, estimator=network)
                seconds = time.perf_counter() - begun
            read = sum(each.result.frames for each in outcomes if each.features is not None)
            memory = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else 0
            cells = (backend, options.dtype, runtime, decoder, f"{len(jobs) / seconds:.1f}",
                     f"{read / seconds:,.0f}", f"{busy_s(done) / seconds:.0%}", f"{memory:,.0f}")  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--threads", type=int, default=8, help="that decode")
    parser.add_argument("--backends", nargs="+", default=["hrnet-simcc", "vitpose", "yolo-pose"])
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    if options.dry_run:
        options.backends, options.dtype = ["tiny"], "float32"
    keep_heap()
    with tempfile.TemporaryDirectory() as folder:
        jobs = jobs_of(options.videos, options.clips, Path(folder))
        measure_decoding(jobs, options.videos, options)
        print(f"| {' | '.join(ENGINE_HEADS)} |\n|{'---|' * len(ENGINE_HEADS)}", flush=True)
        for backend in options.backends:
            measure_engine(backend, jobs, options)


if __name__ == "__main__":
    main()
