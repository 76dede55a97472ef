"""How long a training will take, measured before it starts: a few steps of the networks that it will train.

The clips of these steps are random numbers in the sizes of the store, so nothing is read for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.data.inputs import input_shape, parts_of
from heatpool.classify.training.architecture import Architecture, NetworkShape
from heatpool.classify.training.recipe import Recipe
from heatpool.classify.training.timing import time_step
from heatpool.pipelines.training.streams import StreamJob, count_processes, stream_inputs

__all__ = ["describe_expected", "describe_seconds", "expect_seconds", "random_clips"]

_FEW = 8  # clips of the first try
_LONG_S = 0.5  # a whole batch that would take longer on a CPU is not tried: it takes in proportion
_FORWARD = 1 / 3  # of a training step is the forward pass, which validation is
_RGB_WIDTH = 512


def describe_expected(jobs: Sequence[StreamJob]) -> str:
    """Say how long some streams will take, and what that is made of.

    Args:
        jobs: at least one, of one model and device; of several seeds, too.
    """
    processes, first = count_processes(jobs), jobs[0]
    seconds = expect_seconds(jobs, threads=max(first.plan.threads // processes, 1))
    what = f"{len(jobs)} x {first.shared.epochs} epochs of {len(first.plan.rows['train'])} clips"
    if seconds is None:
        return f"expected time: known after the first epoch ({what})"
    beside = f", {processes} side by side" if processes > 1 else ""
    return f"expected time: {describe_seconds(seconds / processes)} ({what}{beside}; measured on a few steps)"


def expect_seconds(jobs: Sequence[StreamJob], *, threads: int) -> float | None:
    """Return the seconds that some streams will take one after another, each with so many CPU threads.

    Args:
        jobs: at least one, of one model and device.
        threads: of a stream.

    Returns:
        Seconds, without reading features; None for HP-Net on crops, whose image network is loaded later, and
        for features that the store lacks, which is refused later.
    """
    held, needed = jobs[0].plan.store.layout.features, stream_inputs([job.name for job in jobs])
    if any(job.reads.get("rgb") == "crops" for job in jobs) or not held.keys() >= set(needed):
        return None
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        steps = {name: _step_seconds(job) for name, job in {job.reads["input"]: job for job in jobs}.items()}
    finally:
        torch.set_num_threads(before)
    return sum(_job_seconds(job, steps[job.reads["input"]]) for job in jobs)


def describe_seconds(seconds: float) -> str:
    """Return a time in words, to two figures: it is an estimate."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.2g} {unit}"
    return f"about {max(seconds, 1):.2g} s"


def random_clips(job: StreamJob, count: int) -> ClipSet:
    """Return random clips in the sizes of a job's features, with the persons of its first training clips."""
    store, reads = job.plan.store, job.reads
    shapes = {name: array.item_shape for name, array in store.layout.features.items()}
    persons, steps, joints, channels = input_shape(shapes, reads["input"])
    present = np.maximum(store.clips.persons[job.plan.rows["train"][:count]], 1).astype(np.int64)
    owner = np.repeat(np.arange(count), present)
    slot = np.concatenate([np.arange(each) for each in present])
    generator = torch.Generator().manual_seed(0)
    classes = len(store.clips.class_names)
    rgb = None
    if reads.get("rgb") == "embeddings" and "rgb" in store.layout.features:
        rgb = torch.randn(count, *store.layout.features["rgb"].item_shape, generator=generator).half()
    return ClipSet(
        clip_ids=tuple(map(str, range(count))),
        labels=torch.arange(count) % classes,
        class_names=store.clips.class_names,
        features=torch.randn(len(owner), steps, joints, channels, generator=generator).half(),
        mask=torch.ones(len(owner), steps, dtype=torch.bool),
        clip_of_person=torch.from_numpy(owner),
        slot=torch.from_numpy(slot),
        persons=persons,
        input=parts_of(reads["input"])[0],
        rgb=rgb,
    )


def _step_seconds(job: StreamJob) -> float:
    """Seconds of a step with a whole batch of a job."""
    batch = min(job.shared.batch_size, len(job.plan.rows["train"]))
    few = min(batch, _FEW)
    seconds = _time(job, few)
    if few == batch or (job.plan.device == "cpu" and seconds * batch / few > _LONG_S):
        return seconds * batch / few
    return _time(job, batch)


def _time(job: StreamJob, count: int) -> float:
    clips = random_clips(job, count)
    architecture, (width, frames) = _architecture(job, clips)
    sizes = (clips.features.shape[-1], len(clips.class_names), clips.persons)
    shape = NetworkShape(*sizes, width=width, frames=frames)
    return time_step(architecture, architecture.build(shape), shape, clips)


def _architecture(job: StreamJob, clips: ClipSet) -> tuple[Architecture, tuple[int, int]]:
    """The architecture of a job, and the width and frames of RGB, which HP-Net has besides."""
    if isinstance(job.recipe, Recipe):
        return job.architecture, (0, 0)
    from heatpool.classify.hpnet.architecture import HPNetArchitecture

    rgb = clips.rgb.shape if isinstance(clips.rgb, torch.Tensor) else (0, 0, _RGB_WIDTH)
    return HPNetArchitecture(job.recipe, job.plan.skeleton), (rgb[2], rgb[1])


def _job_seconds(job: StreamJob, step: float) -> float:
    """Seconds of a job: its epochs, and in each the validation."""
    batch = min(job.shared.batch_size, len(job.plan.rows["train"]))
    steps = math.ceil(len(job.plan.rows["train"]) / batch)
    validation = _FORWARD * len(job.plan.rows["val"]) / batch
    return job.shared.epochs * (steps + validation) * step
