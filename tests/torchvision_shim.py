"""Stand-in operators for a torchvision whose binary does not match torch.

The registry's torchvision is built for another torch than a CPU-only one, and then its import fails, and
with it much of transformers. Tests of the `[hf]` code run all the same on machines with a matched pair;
elsewhere these declarations let torchvision be imported, and its `nms` answer through ultralytics' own.
"""

from __future__ import annotations

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_libraries: list[torch.library.Library] = []


def install() -> None:
    """Declare torchvision's operators if, and only if, torchvision cannot be imported without them."""
    if _libraries:
        return
    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for schema in _SCHEMAS:
            library.define(schema)
        library.impl("nms", _nms, "CPU")
        _libraries.append(library)  # it unregisters when it is collected
        import torchvision

        torchvision.ops.boxes._assert_has_ops = lambda: None


def _nms(dets: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    from ultralytics.utils.nms import TorchNMS

    return TorchNMS.nms(dets, scores, iou_threshold)
