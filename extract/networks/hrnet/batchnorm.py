"""The two ways to run HRNet's batch norms: with the trained statistics, or with each crop's own.

The published extractor never calls `eval()`, so its batch norms use the statistics of the batch itself,
and its batches are single crops. That is instance normalisation, which does not care how crops are batched.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["CropNorm", "fold_batchnorm", "use_crop_statistics"]


class CropNorm(nn.Module):
    """A batch norm in training mode at batch size 1, for any batch size; it has no running statistics.

    Args:
        norm: whose weight, bias and epsilon are taken over.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every channel of every crop of (B, C, H, W) by its mean and biased variance."""
        return F.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)


def use_crop_statistics(network: nn.Module) -> None:
    """Replace every batch norm of `network`, in place, by one that normalises each crop by itself."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                module.register_module(name, CropNorm(child))


def fold_batchnorm(network: nn.Module) -> None:
    """Fold every batch norm, with its running statistics, into the convolution before it, in place.

    A norm belongs to the convolution that was registered right before it in the same module.
    """
    network.eval()
    for module in list(network.modules()):
        conv_name, conv = "", None
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d):
                module.register_module(conv_name, fuse_conv_bn_eval(conv, child))
                module.register_module(name, nn.Identity())
            conv_name, conv = name, child
