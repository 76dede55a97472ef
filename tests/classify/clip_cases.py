"""Small clip sets with an answer that is known."""

from __future__ import annotations

import torch

from heatpool.classify.data.clips import ClipSet

CLASSES = ("lift left", "lift right", "still")


def moving_clips(count: int, *, seed: int = 0, steps: int = 12, channels: int = 4, two: int = 4) -> ClipSet:
    """Clips whose class is which wrist's first channel rises over time; every `two`-th has two persons."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    people = torch.where(torch.arange(count) % two == two - 1, 2, 1)
    owner = torch.repeat_interleave(torch.arange(count), people)
    slot = torch.cat([torch.arange(number) for number in people.tolist()])
    features = 0.15 * torch.randn(len(owner), steps, 17, channels, generator=generator)
    rise = torch.linspace(-1, 1, steps)
    for person, clip in enumerate(owner.tolist()):
        if labels[clip] < 2:
            features[person, :, 9 + labels[clip], 0] += 2 * rise
    return ClipSet(
        clip_ids=tuple(f"s{seed}-{number:03d}" for number in range(count)),
        labels=labels,
        class_names=CLASSES,
        features=features.half(),
        mask=torch.ones(len(owner), steps, dtype=torch.bool),
        clip_of_person=owner,
        slot=slot,
        persons=2,
        input="pooled",
        source={"input": "pooled", "backbone": "analytic", "tap": "x"},
    )
