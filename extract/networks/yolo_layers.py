"""The layers of a YOLO network, run one after the other: what it predicts, and the maps on the way there."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["YoloLayers", "lower_precision"]

_SMALL_PX = 128  # a multiple of every stride


class YoloLayers(nn.Module):
    """A detect or pose network of ultralytics that also returns the outputs of some of its layers.

    Args:
        model: the network, in eval mode; its layers are kept.
        taps: numbers of the layers.
        exported: leave out what an export cannot hold, as ultralytics' own exporter does.

    Shape: (B, 3, H, W), RGB in [0, 1], H and W multiples of the network's stride → what it predicts, float32,
    as `YOLO` hands it to its suppression of doubles, and (B, C, h, w) for each tap.
    """

    def __init__(self, model: Any, taps: Sequence[int] = (), *, exported: bool = False) -> None:
        super().__init__()
        *body, head = model.model
        if exported:
            head = copy.copy(head)
            # Nothing is assigned in place, and no anchors are kept from one size to the next.
            head.export, head.dynamic, head.format = True, True, "onnx"
        self.layers = nn.ModuleList([*body, head])
        self.taps, self._kept = tuple(taps), {*model.save, *taps}

    def extra_repr(self) -> str:
        """Return what decides the outputs beside weights and layers."""
        head: Any = self.layers[-1]
        return (
            f"taps={self.taps}, strides={head.stride.tolist()}, end2end={head.end2end}, most={head.max_det}"
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return predictions and tapped maps."""
        last: Any = images
        found: dict[int, Any] = {}
        layers: Any = self.layers
        for layer in layers[:-1]:
            last = layer(_inputs(layer, found, last))
            if layer.i in self._kept:  # all others go, with their memory
                found[layer.i] = last
        # The head adds offsets to positions of up to 640 pixels, for which float16 has steps of half a pixel
        # and bfloat16 of four.
        predicted = layers[-1]([each.float() for each in _inputs(layers[-1], found, last)])
        rows = predicted[0] if isinstance(predicted, tuple) else predicted
        return (rows, *(found[tap] for tap in self.taps))

    @torch.inference_mode()
    def widths(self) -> tuple[int, ...]:
        """Return the channels of the tapped maps, which not all layers tell."""
        maps = self(next(self.parameters()).new_zeros(1, 3, _SMALL_PX, _SMALL_PX))[1:]
        return tuple(each.shape[1] for each in maps)


def _inputs(layer: Any, found: Mapping[int, Any], last: Any) -> Any:
    """Return what a layer reads: outputs of layers before it by their numbers, -1 for the last."""
    if isinstance(layer.f, int):
        return last if layer.f == -1 else found[layer.f]
    return [last if number == -1 else found[number] for number in layer.f]


def lower_precision(model: Any, dtype: torch.dtype) -> None:
    """Let all layers but the head compute in `dtype`, in place."""
    if dtype != torch.float32:
        model.to(dtype)
        model.model[-1].float()
