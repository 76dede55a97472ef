"""Trained CTR-GCNs of other programs, whose sizes follow from their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from heatpool.classify.networks.graph import PUBLISHED_LAYERS
from heatpool.classify.training.architecture import NetworkShape
from heatpool.pool.errors import HeatpoolError

__all__ = ["CTRGCNSizes", "ctrgcn_sizes", "load_tensors"]


@dataclass(frozen=True)
class CTRGCNSizes:
    """What a published CTR-GCN was trained for.

    Attributes:
        shape: channels, classes and persons.
        joints: V.
        width: channels of its first layers.
    """

    shape: NetworkShape
    joints: int
    width: int


def ctrgcn_sizes(state: Mapping[str, Tensor]) -> CTRGCNSizes:
    """Read the sizes of a published CTR-GCN off its tensors.

    Raises:
        HeatpoolError: if a tensor is missing, or the layers are not the ten published ones.
    """
    convolution = "l{}.gcn1.convs.0.conv3.weight"
    try:
        joints = state["l1.gcn1.PA"].shape[-1]
        width, channels = state[convolution.format(1)].shape[:2]
        persons, rest = divmod(len(state["data_bn.weight"]), joints * channels)
        classes = len(state["fc.weight"])
        depth = len({name.partition(".")[0] for name in state if name.startswith("l") and ".gcn1." in name})
        found = tuple(len(state[convolution.format(number)]) for number in range(1, depth + 1))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise HeatpoolError(f"expected the tensors of a published CTR-GCN, they lack {error}") from error
    if rest or found != tuple(width * multiple for multiple, _ in PUBLISHED_LAYERS):
        raise HeatpoolError(
            f"expected the {len(PUBLISHED_LAYERS)} layers of the published CTR-GCN, got {depth} of {found} "
            f"channels and a first norm of {persons} persons and {rest} values"
        )
    return CTRGCNSizes(NetworkShape(channels, classes, persons), joints, width)


def load_tensors(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load tensors into a network made for them.

    Raises:
        HeatpoolError: if one is missing, left over or of another shape.
    """
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(f"expected the tensors of {type(network).__name__}: {reason}") from error
