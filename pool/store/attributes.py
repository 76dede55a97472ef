"""Root attributes of a feature store: format, sizes, provenance; to and from the records."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from heatpool.pool.disk.json_shape import Shape, check_json
from heatpool.pool.disk.limits import MAX_CLIP_VALUES, check_clip_count, parse_json
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.sources.folder import FolderSource, Source
from heatpool.pool.store.arrays import INDEX_CHUNK_CLIPS
from heatpool.pool.store.index_rules import INDEX_DTYPES, is_name
from heatpool.pool.store.layout import VERSION, VERSIONS, Layout
from heatpool.pool.store.levels import Levels
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.versions import parse_versions

__all__ = [
    "FORMAT",
    "check_version",
    "code_version",
    "layout_from_attributes",
    "read_layout",
    "read_root",
    "root_attributes",
    "spec_from_attributes",
]

FORMAT = "heatpool-features"


def code_version() -> str:
    """Version of the installed heatpool, or a plain word when it runs from an uninstalled tree."""
    try:
        return metadata.version("heatpool")
    except metadata.PackageNotFoundError:
        return "unknown (heatpool is not installed)"


def root_attributes(
    spec: StoreSpec, *, clips: int, shard_clips: int, version: int = VERSION
) -> dict[str, Any]:
    """Root attributes of a new store: format, sizes and provenance. No clock, no host.

    Raises:
        ValueError: if `spec.config` cannot be written as JSON.
    """
    try:
        config = json.loads(json.dumps(dict(spec.config), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a config of plain JSON values, got {error}") from error
    optional: dict[str, Any] = {} if spec.rgb is None else {"rgb": asdict(spec.rgb)}
    if spec.tap_channels:
        optional["tap_channels"] = list(spec.tap_channels)
    if spec.map_mean:
        optional["map_mean"] = True
    if spec.levels:
        optional["levels"] = {name: asdict(levels) for name, levels in spec.levels.items()}
    if spec.versions:
        optional["versions"] = {name: list(versions) for name, versions in sorted(spec.versions.items())}
    if not spec.graph.known_by_name:
        optional["edges"] = [list(edge) for edge in spec.edges]
    return {
        "format": FORMAT,
        "version": version,
        "code_version": code_version(),
        "clips": clips,
        "persons": spec.persons,
        "steps": spec.steps,
        "joints": spec.joints,
        "channels": spec.channels,
        "shard_clips": shard_clips,
        "skeleton": spec.skeleton,
        "joint_names": list(spec.joint_names),
        "backbone": spec.backbone,
        "tap": spec.tap,
        "weights_sha256": spec.weights_sha256,
        "config": config,
        "licence": spec.licence,
        "citation": spec.citation,
        "source": spec.source,
        "precision": spec.precision,
        **optional,
    }


def spec_from_attributes(attributes: Mapping[str, Any]) -> StoreSpec:
    """The `StoreSpec` that root attributes describe (inverse of `root_attributes`)."""
    return StoreSpec(**_fields_of(StoreSpec, attributes))


def layout_from_attributes(attributes: Mapping[str, Any]) -> Layout:
    """The `Layout` that root attributes describe."""
    return Layout(**_fields_of(Layout, attributes))


_SIZES = ("clips", "persons", "steps", "joints", "channels", "shard_clips")
_SHAPE: Shape = {
    **dict.fromkeys(_SIZES, int),
    **dict.fromkeys(("backbone", "tap", "weights_sha256", "skeleton", "licence", "citation", "source"), str),
    **{"columns": [str], "splits": [str], "disjoint?": {...: str}},
    **{"precision?": str, "map_mean?": bool, "tap_channels?": [int], "levels?": {...: dict}, "rgb?": dict},
    **{"joint_names?": [str], "edges?": [[int]], "versions?": {...: [str]}},
    "config": {
        **{"arrays?": [str], "keypoint_axes?": str, "split_names?": {...: {...: str}}},
        **{"frame_stride?": float, "sample_fps?": float, "network?": dict, "runtime?": str},
    },
}
"""Of root attributes, and of the configuration in them what is made use of."""

_OPTIONAL = (
    "rgb", "precision", "tap_channels", "map_mean", "joint_names", "edges", "levels", "versions",
)  # fmt: skip


def _fields_of(record: type[StoreSpec] | type[Layout], attributes: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: attributes[name] for name in record.__dataclass_fields__ if name in attributes}
    if "tap_channels" in values:
        values["tap_channels"] = tuple(values["tap_channels"])
    if "levels" in values:
        values["levels"] = {name: Levels(**of_array) for name, of_array in values["levels"].items()}
    if "versions" in values:
        values["versions"] = parse_versions(values["versions"])
    names = values.pop("joint_names", ())  # without edges beside them they are COCO's, whatever V is
    if "edges" in values:
        values |= {"joint_names": tuple(names), "edges": tuple(map(tuple, values["edges"]))}
    return values | ({"rgb": RgbSpec(**attributes["rgb"])} if "rgb" in attributes else {})


def read_root(source: Source, *, any_version: bool = False) -> dict[str, Any]:
    """Root attributes of a store.

    Raises:
        HeatpoolError: if there is no heatpool feature store of this version (or of any).
    """
    path = source.name
    if isinstance(source, FolderSource) and not source.path.exists():
        raise HeatpoolError(f"{path}: no such feature store")
    try:
        attributes = parse_json(source.read("zarr.json") or b"").get("attributes", {})
    except (ValueError, AttributeError) as error:
        raise HeatpoolError(
            f"{path}: expected a heatpool feature store, got no readable zarr.json"
        ) from error
    if not isinstance(attributes, dict) or attributes.get("format") != FORMAT:
        raise HeatpoolError(f"{path}: expected format {FORMAT}, got another kind of Zarr store")
    if not any_version:
        check_version(path, FORMAT, attributes.get("version"))
    needed = {*StoreSpec.__dataclass_fields__, *Layout.__dataclass_fields__, "columns", "splits"} - set(
        _OPTIONAL
    )
    if not any_version and (missing := sorted(needed - set(attributes))):
        raise HeatpoolError(f"{path}: damaged store, zarr.json lacks {', '.join(missing)}")
    if not any_version:
        try:
            check_attributes(attributes)
        except ValueError as error:
            raise HeatpoolError(f"{path}: damaged store, its attributes are wrong: {error}") from error
    return attributes


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Raise ValueError unless root attributes are such as `root_attributes` makes, none of them missing."""
    check_json(attributes, _SHAPE)
    for name in _SIZES:
        if not 0 <= attributes[name] < 2**40:
            raise ValueError(f"expected {name} from 0 to {2**40:,}, got {attributes[name]!r:.40}")
    _check_names(attributes)
    json.dumps(attributes["config"], allow_nan=False)  # as what is made from this store has to hold it
    try:
        spec_from_attributes(attributes)
        layout = layout_from_attributes(attributes)
    except (AttributeError, TypeError) as error:  # of what the shape leaves open
        raise ValueError(str(error)) from error
    for name, spec in layout.features.items():
        if (values := math.prod(spec.item_shape)) > MAX_CLIP_VALUES:
            raise ValueError(f"expected at most {MAX_CLIP_VALUES:,} values a clip, got {values:,} {name}")


def read_layout(source: Source, attributes: Mapping[str, Any] | None = None) -> Layout:
    """Sizes of a store by its root attributes, which are read unless given, if it can be so large.

    Raises:
        HeatpoolError: as `read_root`, and where far more clips are claimed than the index has files for,
            before anything is counted or allocated for them.
    """
    layout = layout_from_attributes(read_root(source) if attributes is None else attributes)
    last = layout.index_key("label", layout.clips - 1)
    if layout.clips > INDEX_CHUNK_CLIPS and source.size(last) is None:
        raise HeatpoolError(f"{source.name}: damaged, it claims {layout.clips:,} clips and has no {last}")
    check_clip_count(source.name, layout.clips)
    return layout


def check_version(name: str, kind: object, version: object) -> None:
    """Raise HeatpoolError unless a store, or what was exported from one, is of a version that is read."""
    if (kind, type(version)) != (FORMAT, int) or version not in VERSIONS:
        expected, got = " or ".join(map(str, VERSIONS)), f"{shorten(kind)} version {shorten(version)}"
        raise HeatpoolError(
            f"{name}: expected {FORMAT} version {expected}, got {got}; "
            "read it with the heatpool release that wrote it, or extract again"
        )


def _check_names(attributes: Mapping[str, Any]) -> None:
    """Raise ValueError unless manifest columns and split protocols have names that arrays can have."""
    for kind in ("columns", "splits"):
        names = attributes[kind]
        if not all(map(is_name, names)) or len(set(names)) < len(names):
            raise ValueError(f"expected {kind} to be a list of names, got {shorten(names)}")
    for name in attributes["columns"]:
        if name in INDEX_DTYPES or name.startswith("split_"):
            raise ValueError(f"expected manifest columns, got one that is called {name}")
