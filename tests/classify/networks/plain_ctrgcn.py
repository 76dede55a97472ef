"""The published CTR-GCN forward pass, spelled out convolution by convolution, on a `CTRGCN`'s parameters.

It shares no arithmetic with the package: NCTV layout, one module call per published operation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _refine(conv: nn.Module, x: Tensor, topology: Tensor, alpha: Tensor) -> Tensor:
    sender, receiver, value = conv.conv1(x).mean(2), conv.conv2(x).mean(2), conv.conv3(x)
    relation = torch.tanh(sender.unsqueeze(-1) - receiver.unsqueeze(-2))
    return torch.einsum("ncuv,nctv->nctu", conv.conv4(relation) * alpha + topology, value)


def _graph(unit: nn.Module, x: Tensor) -> Tensor:
    y = sum(_refine(conv, x, unit.PA[i], unit.alpha) for i, conv in enumerate(unit.convs))
    return F.relu(unit.bn(y) + (x if unit.down is None else unit.down(x)))


def _time_conv(conv: nn.Conv2d, x: Tensor, stride: int, dilation: int) -> Tensor:
    pad = dilation * (conv.kernel_size[0] - 1) // 2
    return F.conv2d(x, conv.weight, conv.bias, (stride, 1), (pad, 0), (dilation, 1))


def _time(unit: nn.Module, x: Tensor) -> Tensor:
    outs = []
    for number, branch in enumerate(unit.branches):
        if number == 3:
            outs.append(branch[1](_time_conv(branch[0], x, unit.stride, 1)))
            continue
        hidden = F.relu(branch[1](branch[0](x)))
        if number == 2:
            outs.append(branch[4](F.max_pool2d(hidden, (3, 1), (unit.stride, 1), (1, 0))))
        else:
            outs.append(branch[3].bn(_time_conv(branch[3].conv, hidden, unit.stride, number + 1)))
    return torch.cat(outs, 1)


def _layer(layer: nn.Module, x: Tensor) -> Tensor:
    if layer.first:
        residual = 0
    elif layer.residual is None:
        residual = x
    else:
        residual = layer.residual.bn(_time_conv(layer.residual.conv, x, layer.stride, 1))
    return F.relu(_time(layer.tcn1, _graph(layer.gcn1, x)) + residual)


def plain_forward(model: nn.Module, x: Tensor) -> Tensor:
    """(N, M, T, V, C), every slot filled -> (N, num_classes) logits."""
    n, m, t, v, c = x.shape
    x = model.data_bn(x.permute(0, 1, 3, 4, 2).reshape(n, m * v * c, t))
    x = x.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
    for number in range(1, model.depth + 1):
        x = _layer(model.get_submodule(f"l{number}"), x)
    return model.fc(x.view(n, m, x.shape[1], -1).mean(3).mean(1))
