"""Small classifiers of joint features: a first number in seconds, and what CTR-GCN has to beat.

They take what CTR-GCN takes. Axis letters: N clips, M person slots, P persons present (packed), T steps,
V joints, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["StatisticsHead", "TemporalHead"]

_KERNEL = 5
_DILATIONS = (1, 2, 4)


def _mean_of_persons(person: Tensor, clip: Tensor, clips: int) -> Tensor:
    """Mean (clips, D) of the persons (P, D) of each clip."""
    summed = person.new_zeros(clips, person.shape[1]).index_add(0, clip, person)
    return summed / torch.bincount(clip, minlength=clips).clamp(min=1).unsqueeze(1)


class StatisticsHead(nn.Module):
    """Statistics over time of every joint and channel, standardised, then a linear layer or a small MLP.

    The statistics are the mean, the standard deviation, and the mean of the last quarter minus that of
    the first; a clip's are the mean of its persons'. Without `hidden` it is a linear probe.

    Args:
        in_channels: C.
        num_classes: K.
        joints: V.
        hidden: width of the two hidden layers, 0 for none.
        dropout: after each hidden layer.
    """

    def __init__(
        self, in_channels: int, num_classes: int, *, joints: int, hidden: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        size = 3 * joints * in_channels
        layers: list[nn.Module] = []
        for _ in range(2 if hidden else 0):
            layers += [nn.Linear(size, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout)]
            size = hidden
        self.norm = nn.BatchNorm1d(3 * joints * in_channels, affine=False)
        self.layers = nn.Sequential(*layers, nn.Linear(size, num_classes))

    def forward_packed(self, x: Tensor, clip: Tensor, slot: Tensor, *, clips: int) -> Tensor:
        """Classify packed persons: x (P,T,V,C), clip and slot (P,) int64 -> (clips, num_classes) logits."""
        rows = x.flatten(2)
        quarter = max(rows.shape[1] // 4, 1)
        trend = rows[:, -quarter:].mean(1) - rows[:, :quarter].mean(1)
        mean = rows.mean(1)
        # not rows.std, which is thirty times slower along this axis
        deviation = (rows - mean.unsqueeze(1)).square_().mean(1).sqrt_()
        statistics = torch.cat([mean, deviation, trend], 1)
        logits: Tensor = self.layers(self.norm(_mean_of_persons(statistics, clip, clips)))
        return logits


class _Block(nn.Module):
    """Residual convolution in time that keeps the length."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (_KERNEL - 1) // 2
        self.conv = nn.Conv1d(width, width, _KERNEL, padding=padding, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(P, width, T) -> (P, width, T)."""
        out: Tensor = x + self.dropout(self.norm(self.conv(x)).relu())
        return out


class TemporalHead(nn.Module):
    """Temporal convolutional network: all joints of a step as one vector, three dilated residual blocks.

    Args:
        in_channels: C.
        num_classes: K.
        joints: V.
        width: channels of the blocks.
        dropout: in each block.
    """

    def __init__(
        self, in_channels: int, num_classes: int, *, joints: int, width: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(joints * in_channels)
        self.project = nn.Conv1d(joints * in_channels, width, 1)
        self.blocks = nn.Sequential(*(_Block(width, dilation, dropout) for dilation in _DILATIONS))
        self.fc = nn.Linear(width, num_classes)

    def forward_packed(self, x: Tensor, clip: Tensor, slot: Tensor, *, clips: int) -> Tensor:
        """Classify packed persons: x (P,T,V,C), clip and slot (P,) int64 -> (clips, num_classes) logits."""
        steps = self.norm(x.flatten(2).transpose(1, 2))
        person = self.blocks(self.project(steps).relu()).mean(2)
        logits: Tensor = self.fc(_mean_of_persons(person, clip, clips))
        return logits
