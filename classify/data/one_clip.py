"""The features of one clip, straight from stage one, as a network takes them: no store in between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from heatpool.classify.data.batches import feature_source
from heatpool.classify.data.clips import ClipSet, InputName
from heatpool.classify.data.inputs import StreamInput, join_parts, parts_of
from heatpool.classify.data.rgb import RGB_ARRAYS, RgbInput, StoredCrops, pixel_source
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipResult
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.shard_writer import stack_features
from heatpool.pool.store.spec import StoreSpec

__all__ = ["one_clip"]


def one_clip(
    features: ClipFeatures,
    result: ClipResult,
    spec: StoreSpec,
    *,
    class_names: Sequence[str],
    input: StreamInput = "pooled",
    rgb: RgbInput = "none",
) -> ClipSet:
    """Return a set of one unlabelled clip, as `load_clips` reads it from a store in float16.

    Args:
        features: of the clip, with a person.
        result: its outcome.
        spec: what the store of such features says of itself.
        class_names: K names in label order.
        input: what of its arrays a network takes.
        rgb: what it takes of the pixels.

    Raises:
        HeatpoolError: if a value does not fit float16, or there are no such pixels.
        ValueError: if shapes are not those of `spec`.
    """
    arrays = stack_features(Layout.of(spec, clips=1, shard_clips=1), range(1), [features], [result])
    mask = arrays["mask"][0]
    slots = np.flatnonzero(mask.any(1))
    source, pixels = dict[str, str | int](), None
    if rgb != "none":
        if spec.rgb is None or RGB_ARRAYS[rgb] not in arrays:
            raise HeatpoolError(f"expected RGB {rgb} beside the features, there is none; extract with --rgb")
        source = pixel_source(spec.rgb)
        stored = arrays[RGB_ARRAYS[rgb]]
        pixels = StoredCrops([stored[0]], spec.rgb.crop_px) if rgb == "crops" else torch.from_numpy(stored)

    def of_array(name: InputName) -> ClipSet:
        values = arrays[name][0, slots]
        values = values if values.ndim == 4 else values[:, :, None]  # map_mean has no joints
        values[~mask[slots]] = 0
        return ClipSet(
            clip_ids=("clip",),
            labels=torch.tensor([-1]),
            class_names=tuple(class_names),
            features=torch.from_numpy(values),
            mask=torch.from_numpy(mask[slots]),
            clip_of_person=torch.zeros(len(slots), dtype=torch.int64),
            slot=torch.from_numpy(slots),
            persons=spec.persons,
            input=name,
            source={**feature_source(spec, name), **source},
            rgb=pixels,
        )

    return join_parts({name: of_array(name) for name in parts_of(input)})
