"""How an ONNX pose network wants its crops: options, or the file's own metadata, or the usual."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from heatpool.extract.records import Alignment, CropSpec, Refinement
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError, shorten

__all__ = ["METADATA_KEY", "OnnxInput", "read_metadata"]

METADATA_KEY = "heatpool"
"""Entry of a file's `metadata_props` that holds, as JSON, fields of `OnnxInput`, `joints` and `edges`."""

_log = logging.getLogger(__name__)

_IMAGENET = CropSpec(height_px=1, width_px=1)
_TRANSFORMERS_INPUT = "pixel_values"  # what transformers and optimum call the image in all their exports


@dataclass(frozen=True)
class OnnxInput:
    """What is known of an ONNX network's input and heatmaps; None for what is not.

    Attributes:
        mean: subtracted from the pixels, one number a channel in the network's own order.
        std: divided by.
        scale: pixels run from 0 to this before mean and std: 1, or 255 as mmpose and rtmlib write theirs.
        colours: order of the channels.
        alignment: where the cells of its heatmaps lie.
        refinement: how joints are found between these cells.
        padding: the box, widened to the crop's aspect, is enlarged by this factor.
        size: height and width of the crop, for files that leave them open.

    Raises:
        HeatpoolError: if a value is none of these.
    """

    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    scale: Literal["1", "255"] | None = None
    colours: Literal["rgb", "bgr"] | None = None
    alignment: Alignment | None = None
    refinement: Refinement | None = None
    padding: float | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, allowed in (
            ("scale", ("1", "255")),
            ("colours", ("rgb", "bgr")),
            ("alignment", get_args(Alignment)),
            ("refinement", get_args(Refinement)),
        ):
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise HeatpoolError(f"expected {name} out of {', '.join(allowed)}, got {shorten(value)}")
        self._check_numbers("mean", 3, least=-1e4)
        self._check_numbers("std", 3, least=1e-6)
        self._check_numbers("size", 2, least=8)
        if self.padding is not None and not 0.1 <= self.padding <= 10:
            raise HeatpoolError(f"expected padding of 0.1 to 10, got {shorten(self.padding)}")
        if self.mean is not None and self.scale != "255" and max(self.mean) > 1:
            raise HeatpoolError(f"expected a mean of at most 1, or a scale of 255, got {self.mean}")

    def _check_numbers(self, name: str, count: int, *, least: float) -> None:
        values = getattr(self, name)
        if values is not None and (len(values) != count or not all(least <= each <= 1e4 for each in values)):
            raise HeatpoolError(
                f"expected {name} of {count} numbers of at least {least:g}, got {shorten(values)}"
            )

    def over(self, other: OnnxInput) -> OnnxInput:
        """Return this, and what the other knows where this knows nothing."""
        return replace(other, **{name: value for name, value in asdict(self).items() if value is not None})

    def crop_spec(self, height_px: int, width_px: int, *, input_name: str) -> CropSpec:
        """Return how crops are prepared, in RGB; a network that wants BGR gets the channels reversed.

        What is not known is ImageNet's mean and standard deviation, RGB, and a box enlarged by 1.25: so
        RTMPose, ViTPose, HRNet and SimplePose were trained. Cells are aligned and joints refined as in
        HRNet (corner, quarter), but as in ViTPose (udp, dark-hf) for files exported from transformers; with
        udp in other files as in mmpose (dark-udp).
        """
        full = float(self.scale or 1)
        mean, std = ([each / full for each in values] if values else None for values in (self.mean, self.std))
        if self.colours == "bgr":
            mean, std = (values[::-1] if values else None for values in (mean, std))
        from_transformers = input_name == _TRANSFORMERS_INPUT
        alignment: Alignment = self.alignment or ("udp" if from_transformers else "corner")
        unbiased: Refinement = "dark-hf" if from_transformers else "dark-udp"
        self._tell_what_is_taken(alignment)
        return CropSpec(
            height_px=height_px,
            width_px=width_px,
            mean=_triple(mean) if mean else _IMAGENET.mean,
            std=_triple(std) if std else _IMAGENET.std,
            padding=self.padding or _IMAGENET.padding,
            alignment=alignment,
            refinement=self.refinement or (unbiased if alignment == "udp" else "quarter"),
        )

    def _tell_what_is_taken(self, alignment: Alignment) -> None:
        """Say what nobody told: a wrong guess moves joints, and features, without any other sign."""
        usual = {
            "mean": "ImageNet's",
            "std": "ImageNet's",
            "colours": "rgb",
            "padding": f"{_IMAGENET.padding:g}",
            "alignment": alignment,
        }
        taken = [f"{name} {value}" for name, value in usual.items() if getattr(self, name) is None]
        if taken:
            _log.info(f"the ONNX network is taken for the usual in what nothing tells: {', '.join(taken)}")
        if self.scale == "255" and self.mean is None and self.std is None:
            _log.warning(
                "--onnx-scale is the unit of --onnx-mean and --onnx-std and changes nothing without them; "
                "for pixels as they are, from 0 to 255, add --onnx-mean 0,0,0 --onnx-std 1,1,1"
            )


def _triple(values: list[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third


def read_metadata(metadata: Mapping[str, str], name: str) -> tuple[OnnxInput, list[Any], list[Any]]:
    """Return what a file's metadata says of its input, its joints' names and its edges; nothing if none does.

    Args:
        metadata: of the file.
        name: of the file.

    Raises:
        HeatpoolError: if the entry is not what it should be.
    """
    text = metadata.get(METADATA_KEY, "{}")
    known = [field.name for field in fields(OnnxInput)]
    try:
        entry = parse_json(text)
        if not isinstance(entry, dict) or not set(entry) <= {*known, "joints", "edges"}:
            raise TypeError(f"expected an object with {', '.join(known)}, joints, edges, got {shorten(text)}")
        joints, edges = list(entry.pop("joints", [])), list(entry.pop("edges", []))
        for key in ("mean", "std", "size"):
            if key in entry:
                entry[key] = tuple(entry[key])
        if "scale" in entry:
            entry["scale"] = (
                f"{entry['scale']:g}" if isinstance(entry["scale"], int | float) else entry["scale"]
            )
        return OnnxInput(**entry), joints, edges
    except (TypeError, ValueError, RecursionError, HeatpoolError) as error:
        raise HeatpoolError(f"metadata {METADATA_KEY!r} of {name}: {error}") from error
