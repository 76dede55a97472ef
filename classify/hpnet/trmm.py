"""Text refinement modulation: what the skeleton says about the classes' texts.

Axis letters: B clips, K classes, S values of the skeleton vector, D of a text embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["TextRefinement"]


class TextRefinement(nn.Module):
    """Text refinement modulation module (TRMM) of HP-Net, under its published parameter names.

    added[b, k] = gamma[b] * text[k] + beta[b] + text[k] @ R.T, with gamma and beta made from the skeleton
    vector (FiLM) and R[u, d] = tanh(a[u] - c[d]) from two projections a and c of the texts, averaged over
    the classes. R and the last term depend on the texts alone, so they are computed once a batch.

    Args:
        skeleton_dim: S.
        text_dim: D.
    """

    def __init__(self, skeleton_dim: int, text_dim: int) -> None:
        super().__init__()
        self.fc_gamma = _two_layers(skeleton_dim, text_dim)
        self.fc_beta = _two_layers(skeleton_dim, text_dim)
        self.fc1 = _two_layers(text_dim, text_dim)
        self.fc2 = _two_layers(text_dim, text_dim)

    def forward(self, text: Tensor, skeleton: Tensor) -> Tensor:
        """What skeleton vectors (B, S) add to the texts (K, D): (B, K, D)."""
        gamma, beta = self.fc_gamma(skeleton), self.fc_beta(skeleton)
        rows = self.fc1(text).relu().mean(0)
        columns = self.fc2(text).relu().mean(0)
        relation = torch.tanh(rows[:, None] - columns)  # (D, D)
        added: Tensor = gamma[:, None] * text + beta[:, None] + text @ relation.T
        return added


def _two_layers(in_features: int, out_features: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_features, out_features), nn.Linear(out_features, out_features))
