"""Input streams of skeleton classifiers: joint, bone and their motions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from heatpool.classify.networks.graph import JointGraph

if TYPE_CHECKING:  # recipes name streams, and are read where torch is not needed
    from torch import Tensor

__all__ = ["STREAMS", "StreamName", "bone", "make_stream", "motion"]

StreamName = Literal["joint", "bone", "joint_motion", "bone_motion"]
STREAMS: tuple[StreamName, ...] = get_args(StreamName)


def bone(joint: Tensor, graph: JointGraph) -> Tensor:
    """Subtract from every joint its parent; a joint without a bone becomes zero.

    Args:
        joint: (..., V, C), any leading axes.
        graph: whose `bones` name the parents.

    Returns:
        (..., V, C) in new memory.

    Raises:
        ValueError: if V is not the graph's.

    Source: HP-Net and CTR-GCN, bone stream.
    """
    if joint.shape[-2] != graph.joints:
        raise ValueError(f"expected {graph.joints} joints on axis -2, got shape {tuple(joint.shape)}")
    return joint - joint[..., graph.parents(), :]


def motion(stream: Tensor) -> Tensor:
    """Next step minus this step; the last step is zero.

    Args:
        stream: (..., T, V, C), any leading axes.

    Returns:
        (..., T, V, C) in new memory: the input is never written to.

    Source: HP-Net and CTR-GCN, motion streams.
    """
    moved = stream.roll(-1, dims=-3).sub_(stream)
    moved[..., -1:, :, :] = 0
    return moved


def make_stream(joint: Tensor, name: StreamName, graph: JointGraph) -> Tensor:
    """Form a stream of (..., T, V, C) joint features, always in new memory.

    Args:
        joint: (..., T, V, C) float.
        name: one of `STREAMS`.
        graph: bone graph of the V joints.

    Returns:
        (..., T, V, C) that shares no memory with `joint`.

    Raises:
        ValueError: if the stream is unknown or V is not the graph's.
    """
    if name == "joint":
        return joint.clone()
    if name == "bone":
        return bone(joint, graph)
    if name == "joint_motion":
        return motion(joint)
    if name == "bone_motion":
        return motion(bone(joint, graph))
    raise ValueError(f"expected a stream of {STREAMS}, got {name!r}")
