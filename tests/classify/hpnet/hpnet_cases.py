"""Small clip sets with RGB, and small recipes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.hpnet.recipe import HPNetRecipe
from heatpool.classify.training.architecture import NetworkShape
from heatpool.classify.training.recipe import Recipe
from tests.classify.clip_cases import CLASSES, moving_clips

FRAMES, WIDTH = 4, 16
RGB_SOURCE: dict[str, str | int] = {"rgb": "xclip", "rgb_frames": FRAMES, "rgb_weights_sha256": "cd" * 32}

TINY = HPNetRecipe(
    shared=Recipe(
        epochs=6, batch_size=4, optimizer="adamw", learning_rate=2e-6, weight_decay=0.01, schedule="cosine",
        warmup_epochs=1, window=8, width=8, layers=((2, 2),), p_interval=(0.8, 1.0),
    ),
    new_rate=2000, skeleton_rate=10_000, text_rate=1000, eps=1e-8, mixup=0, cutmix=0,
)  # fmt: skip


def recipe(
    config: HPNetRecipe = TINY, *, shared: dict[str, Any] | None = None, **changes: Any
) -> HPNetRecipe:
    return replace(config, shared=replace(config.shared, **(shared or {})), **changes)


def clips_with_rgb(count: int, *, seed: int = 0, rgb: bool = True) -> ClipSet:
    """`moving_clips` with frames whose embedding is that of the class, plus noise; or without RGB."""
    clips = moving_clips(count, seed=seed)
    if not rgb:
        return clips
    generator = torch.Generator().manual_seed(seed)
    centres = torch.eye(len(CLASSES), WIDTH)[clips.labels]
    noise = 0.3 * torch.randn(count, FRAMES, WIDTH, generator=generator)
    embeddings = (centres[:, None] + noise).half()
    return replace(clips, rgb=embeddings, source={**clips.source, **RGB_SOURCE})


def shape_of(clips: ClipSet, **changes: Any) -> NetworkShape:
    frames = FRAMES if clips.rgb is not None else 0
    shape = NetworkShape(channels=4, classes=len(CLASSES), persons=2, width=WIDTH, frames=frames)
    return replace(shape, **changes)
