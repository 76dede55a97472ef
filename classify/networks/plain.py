"""The published forward pass of CTR-GCN, one call per published operation: what the kernels must equal.

It works on the parameters of a `CTRGCN` and shares no arithmetic with it: all activations are
(P, C, T, V), and the sums are torch's own. Tests compare results and gradients with it, the benchmark time
and memory; on a GPU a `CTRGCN` computes by it where it is the faster way (`training/kernels.py`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

__all__ = ["plain_forward", "plain_layers"]


def plain_forward(model: Any, x: Tensor) -> Tensor:
    """Classify with a `CTRGCN`: (N, M, T, V, C) with every slot filled -> (N, num_classes) logits."""
    n, m, t, v, c = x.shape
    x = model.data_bn(x.permute(0, 1, 3, 4, 2).reshape(n, m * v * c, t))
    x = x.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
    logits: Tensor = model.fc(model.dropout(plain_layers(model, x).view(n, m, -1).mean(1)))
    return logits


def plain_layers(model: Any, x: Tensor) -> Tensor:
    """Return (P, K), the mean over steps and joints of what the layers of a `CTRGCN` make of (P, C, T, V)."""
    for number in range(1, model.depth + 1):
        x = _layer(model.get_submodule(f"l{number}"), x)
    return x.mean((2, 3))


def _layer(layer: Any, x: Tensor) -> Tensor:
    y = _time(layer.tcn1, _graph(layer.gcn1, x))
    if not layer.first:
        residual = layer.residual
        y += x if residual is None else residual.bn(_convolve(residual.conv, x, layer.stride, 1))
    return relu(y, inplace=True)


def _graph(unit: Any, x: Tensor) -> Tensor:
    y = unit.bn(sum(_refine(conv, x, unit.PA[i], unit.alpha) for i, conv in enumerate(unit.convs)))
    y += x if unit.down is None else unit.down(x)
    return relu(y, inplace=True)


def _refine(conv: Any, x: Tensor, topology: Tensor, alpha: Tensor) -> Tensor:
    sender, receiver, value = conv.conv1(x).mean(2), conv.conv2(x).mean(2), conv.conv3(x)
    relation = torch.tanh(sender.unsqueeze(-1) - receiver.unsqueeze(-2))
    return torch.einsum("ncuv,nctv->nctu", conv.conv4(relation) * alpha + topology, value)


def _time(unit: Any, x: Tensor) -> Tensor:
    *wide, point = unit.branches
    outs = []
    for number, branch in enumerate(wide):
        hidden = relu(branch[1](branch[0](x)), inplace=True)
        if number == 2:
            outs.append(branch[4](max_pool2d(hidden, (3, 1), (unit.stride, 1), (1, 0))))
        else:
            outs.append(branch[3].bn(_convolve(branch[3].conv, hidden, unit.stride, number + 1)))
    outs.append(point[1](_convolve(point[0], x, unit.stride, 1)))
    return torch.cat(outs, 1)


def _convolve(conv: Any, x: Tensor, stride: int, dilation: int) -> Tensor:
    pad = dilation * (conv.kernel_size[0] - 1) // 2
    return conv2d(x, conv.weight, conv.bias, (stride, 1), (pad, 0), (dilation, 1))
