"""Inner tensors of ONNX networks: found by name, read as the network itself reads them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    import onnx

__all__ = ["find_tap"]

_log = logging.getLogger(__name__)

_SHOWN = 8
_BLOCKED = "com.microsoft.nchwc"  # operators whose channels lie in blocks, though the shape says nothing


def find_tap(graph: onnx.GraphProto, tap: str, file_name: str) -> str:
    """Return the tensor that stands for a tap.

    In networks of 8 bits with quantisation written out (QDQ) an exporter takes a Relu out where the
    quantisation behind it cuts negative values off as well, and gives its name to what is before; so what is
    only quantised is read behind that, as the next layer reads it.

    Args:
        graph: of the network.
        tap: name of an inner tensor, or of an output.
        file_name: for messages.

    Raises:
        HeatpoolError: if it is neither (close names are listed), or not laid out as maps are.
    """
    makers = {name: node for node in graph.node for name in node.output if name}
    outputs = {output.name for output in graph.output}
    if tap not in makers and tap not in outputs:
        raise HeatpoolError(_unknown(graph, tap, list(makers), file_name))
    readers = [node for node in graph.node if tap in node.input]
    if tap in makers and makers[tap].domain == _BLOCKED and makers[tap].op_type != "ReorderOutput":
        plain = next((node.output[0] for node in readers if node.op_type == "ReorderOutput"), None)
        raise HeatpoolError(
            f"expected a tap (B, C, H, W) of {file_name}, {tap} is laid out in blocks by onnxruntime: "
            + (f"take {plain}" if plain else "take the network that it optimised")
        )
    if readers and tap not in outputs and all(node.op_type == "QuantizeLinear" for node in readers):
        quantised = readers[0].output[0]
    elif tap in makers and makers[tap].op_type == "QuantizeLinear":
        quantised = tap
    else:
        return tap
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] == quantised:
            _log.info(f"tap {tap} of {file_name} is read behind its quantisation, as {node.output[0]}")
            return str(node.output[0])
    return tap


def _unknown(graph: onnx.GraphProto, tap: str, inner: list[str], file_name: str) -> str:
    stem = tap.split("_")[0].split("/")[-1].casefold()
    alike = [tensor for tensor in inner if tensor.casefold() == tap.casefold()]
    close = alike or [tensor for tensor in inner if stem in tensor.casefold()][-_SHOWN:] or inner[-_SHOWN:]
    kinds = (("an input", graph.input), ("a weight", graph.initializer))
    kind = next((f", {kind}" for kind, named in kinds if tap in {each.name for each in named}), "")
    some = f"some are: {', '.join(close)}"
    return f"expected --tap to name an inner tensor of {file_name}, got {tap!r}{kind}; {some}"
