"""The joints of the features that are trained on, and the graph that a recipe makes of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from heatpool.classify.networks.graph import GRAPHS, HPNET_GRAPH, SKELETON_GRAPH
from heatpool.classify.training.recipe import Recipe
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.skeleton_file import read_skeleton
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.reader import FeatureStore

__all__ = ["choose_graph", "describe_graph", "features_skeleton", "fit_joints"]


def features_skeleton(file: Path | None, store: FeatureStore) -> Skeleton:
    """Return the joints of a store: as a YAML file says, or else the store.

    Raises:
        HeatpoolError: if the file is none, or of other joints than the store's V.
    """
    if file is None:
        return store.spec.graph
    skeleton = read_skeleton(file)
    if skeleton.joints != store.spec.joints:
        raise HeatpoolError(
            f"{file}: expected the {store.spec.joints} joints of {store.source.name}, got {skeleton.joints}"
        )
    return skeleton


def choose_graph(asked: str | None, skeleton: Skeleton) -> str:
    """Return the name of the graph for some joints: the asked one, HP-Net's for COCO's 17, else their own.

    Raises:
        HeatpoolError: if the asked one is of other joints.
    """
    own = HPNET_GRAPH.name if skeleton.known_by_name else SKELETON_GRAPH
    if asked in GRAPHS and GRAPHS[asked].joints != skeleton.joints:
        raise HeatpoolError(
            f"expected --graph {own}, of {skeleton.joints} joints, got {asked} of {GRAPHS[asked].joints}"
        )
    return asked or own


def fit_joints(recipe: Recipe, skeleton: Skeleton, arrays: Collection[str]) -> tuple[Recipe, Skeleton]:
    """Return recipe and joints for what some arrays make together, given those for the store's joints.

    Means of maps and RGB belong to no joint: alone they are one point, beside others a joint without an edge.
    """
    if not {"map_mean", "rgb"} & set(arrays):
        return recipe, skeleton
    if len(arrays) == 1:
        return replace(recipe, graph="point"), skeleton
    names = (*skeleton.joint_names, "map_mean")
    return (
        replace(recipe, graph="skeleton"),
        Skeleton(f"{skeleton.name}+map_mean", names, skeleton.edges),
    )


def describe_graph(graph: str, skeleton: Skeleton) -> str:
    """Say in a line what a graph is made of; "" for those that have names."""
    if graph != SKELETON_GRAPH:
        return ""
    if skeleton.edges:
        return f"joint graph: {skeleton.joints} joints of {skeleton.name}, {len(skeleton.edges)} edges"
    return (
        f"joint graph: nothing says which of the {skeleton.joints} joints of {skeleton.name} are joined: all "
        "are, and bones lead to the first; a YAML file with edges says otherwise (--skeleton)"
    )
