"""Which outputs of an ONNX network are joints: one of heatmaps, or two of SimCC vectors."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from heatpool.pool.errors import HeatpoolError

__all__ = ["check_map", "find_joint_outputs"]


def find_joint_outputs(
    outputs: Mapping[str, np.ndarray],
    *,
    taps: Collection[str],
    height_px: int,
    width_px: int,
    file_name: str,
) -> tuple[str, ...]:
    """Return the name of the heatmaps, or the names of the SimCC vectors along x and along y.

    Args:
        outputs: of one crop, by name.
        taps: names of outputs that are feature maps.
        height_px: height of the crop.
        width_px: width of the crop.
        file_name: for messages.

    Raises:
        HeatpoolError: if there are none, or which they are cannot be told.
    """
    # a tap may be an output, and even the heatmaps, but only where nothing else could be the answer
    answers = {name: each for name, each in outputs.items() if name not in taps and each.ndim > 1} or outputs
    floating = {name: output for name, output in answers.items() if output.dtype == np.float32}
    heatmaps = [name for name, output in floating.items() if _is_heatmap(output, height_px, width_px)]
    vectors = {name: output for name, output in floating.items() if output.ndim == 3}
    if len(heatmaps) == 1:
        joints = outputs[heatmaps[0]].shape[1]
        if all(vector.shape[1] == joints for vector in vectors.values()):  # others are lists of what is found
            return tuple(heatmaps)
    if not heatmaps and len(vectors) == 2:
        return _simcc_axes(vectors, height_px, width_px, file_name)
    shapes = ", ".join(f"{name} {_shape(output)}" for name, output in outputs.items()) or "no output"
    if len(heatmaps) > 1:
        raise HeatpoolError(
            f"expected one output of heatmaps from {file_name}, got {shapes}: which are the joints is not "
            "told; leave only these in the file (onnx.utils.extract_model)"
        )
    raise HeatpoolError(
        "expected heatmaps (B, V, h, w) of the crop's proportions or two SimCC vectors (B, V, n) "
        f"from {file_name}, got {shapes}; networks that list what is in a picture (YOLO, RTMO, DETR) are no "
        "top-down pose networks: --detector reads YOLO exports, --backend yolo-pose their checkpoints"
    )


def check_map(values: np.ndarray, tap: str, *, height_px: int, width_px: int, file_name: str) -> None:
    """Refuse a tap that is no feature map of the crop.

    Args:
        values: of one crop.
        tap: its name.
        height_px: height of the crop.
        width_px: width of the crop.
        file_name: for messages.

    Raises:
        HeatpoolError: if it is not (1, C, h, w) of the crop's proportions, or of no floating point numbers.
    """
    if values.dtype != np.float32:
        hint = "; quantise with QuantFormat.QDQ, or take the float32 network" if values.itemsize == 1 else ""
        raise HeatpoolError(
            f"expected a tap of floating point numbers in {file_name}, {tap} is of {values.dtype}{hint}"
        )
    of_one = values.ndim == 4 and values.shape[0] == 1 and values.shape[1] > 0
    if not of_one or not _covers_crop(*values.shape[2:], height_px=height_px, width_px=width_px):
        raise HeatpoolError(
            f"expected tap {tap} of {file_name} to be a feature map (1, C, H, W) of the proportions of the "
            f"crop, {height_px} x {width_px}, got {values.shape}; netron.app shows the others"
        )


def _covers_crop(height: int, width: int, *, height_px: int, width_px: int) -> bool:
    """Whether h x w cells are a smaller picture of the crop: of its proportions, but for a rounded side."""
    if not (1 <= height <= height_px and 1 <= width <= width_px and height * width > 1):
        return False
    return abs(height * width_px - width * height_px) <= max(width_px, height_px)


def _shape(output: np.ndarray) -> str:
    return f"{output.shape}{'' if output.dtype == np.float32 else f' of {output.dtype}'}"


def _is_heatmap(output: np.ndarray, height_px: int, width_px: int) -> bool:
    """Whether (1, V, h, w) is a smaller picture of the crop, and no list of persons' joints."""
    if output.ndim != 4 or output.shape[0] != 1 or not output.shape[1]:
        return False
    height, width = output.shape[2:]
    return min(height, width) > 3 and _covers_crop(height, width, height_px=height_px, width_px=width_px)


def _simcc_axes(
    vectors: Mapping[str, np.ndarray], height_px: int, width_px: int, file_name: str
) -> tuple[str, str]:
    """Return the vectors along x and y: as many bins a pixel on both axes, or, in a square, named so."""
    (first_name, first), (second_name, second) = vectors.items()
    x_first = first.shape[2] * height_px == second.shape[2] * width_px
    y_first = second.shape[2] * height_px == first.shape[2] * width_px
    if x_first and y_first:
        ends = first_name[-1:].lower() + second_name[-1:].lower()
        x_first, y_first = ends == "xy", ends == "yx"
    enough = min(first.shape[2], second.shape[2]) >= min(width_px, height_px)  # a list of boxes has 4 or 5
    enough = enough and first.shape[0] == 1 and first.shape[1] > 0
    if first.shape[:2] != second.shape[:2] or x_first == y_first or not enough:
        raise HeatpoolError(
            f"expected SimCC vectors (1, V, n) of {file_name} with as many bins a pixel along x as along y, "
            f"one or more, and in a square crop names that end in x and y, got {first_name} {first.shape} "
            f"and {second_name} {second.shape} for {width_px} x {height_px} pixels"
        )
    return (first_name, second_name) if x_first else (second_name, first_name)
