"""The networks that made a run's features, for other videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from heatpool.extract.datasets.manifest import Manifest
from heatpool.pipelines.extraction.plan import ExtractPlan
from heatpool.pipelines.extraction.run import prepare
from heatpool.pipelines.extraction.weights_search import recorded_weights
from heatpool.pipelines.options.extract import ExtractOptions
from heatpool.pipelines.options.fields import OptionError, option_table, read_value
from heatpool.pipelines.options.networks import GivenOptions
from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.training.features import compare_versions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.resume import NETWORK, find_difference

__all__ = ["plan_extraction"]

# Of the options of an extraction, these say where and how fast, not what: a prediction has its own.
_NOT_KEPT = (
    "videos", "out", "workers", "scheduler", "limit", "window_s", "stride_s", "dry_run", "resume", "append",
    "mixed_versions", "verify", "overwrite", "device", "threads", "disjoint", "quiet", "skeleton",
)  # fmt: skip
# What is said of a file of persons is said of that of these videos, but for what makes features others.
_OF_FILE = {field.name for field in fields(GivenOptions)} - {"keypoints_margin", "min_joint_score", "quiet"}
# What decides the values of features. Detector and boxes may differ: a person is a person. So may what joints
# are called: the weights say which they are.
_DECIDING = ("backbone", "tap", "weights_sha256", "joints", "channels", "steps", "persons")


def plan_extraction(
    options: PredictOptions, summary: Mapping[str, Any], clips: Manifest, *, out: Path
) -> ExtractPlan:
    """Load the networks that made the run's features.

    Args:
        options: of the command; the window is taken where videos are given.
        summary: what the run's training wrote.
        clips: to extract.
        out: store that they will be extracted into.

    Raises:
        HeatpoolError: if the networks at hand would make other features.
    """
    made = summary.get("extraction", {})
    spec, recorded = made.get("spec", {}), made.get("options", {})
    table = option_table(ExtractOptions)
    base = {name: value for name, value in {**spec.get("config", {}), **recorded}.items() if name in table}
    base |= {name: spec[name] for name in ("persons", "steps") if name in spec}
    try:
        base = {name: read_value(table[name], value, name) for name, value in base.items()}
    except OptionError as error:
        raise HeatpoolError(f"the summary of the run records what cannot be: {error}") from error
    base |= {name: recorded_weights(base.get(name)) for name in ("weights", "detector") if name in base}
    if "keypoints_sha256" in spec.get("config", {}) and options.keypoints is None:
        raise HeatpoolError(
            "expected --keypoints for these videos: the run's features are pooled at the joints of a file"
        )
    if options.keypoints is not None:
        base["detector"] = "auto"
    given = {
        "weights": options.weights, "detector": options.detector, "rgb_weights": options.rgb_weights
    }  # fmt: skip
    base |= {name: value for name, value in given.items() if value is not None}
    plan = prepare(
        ExtractOptions(
            videos=clips.root,
            out=out,
            window_s=options.window_s if options.videos else 0.0,
            stride_s=options.stride_s if options.videos else 0.0,
            device=options.device,
            threads=options.threads,
            quiet=options.quiet,
            **{name: getattr(options, name) for name in _OF_FILE},
            **{name: value for name, value in base.items() if name not in {*_NOT_KEPT, *_OF_FILE}},
        ),
        clips=clips,
    )
    got = asdict(plan.spec)
    differ = [name for name in _DECIDING if name in spec and spec[name] != got[name]]
    if differ:
        name = differ[0]
        raise HeatpoolError(
            f"expected features as those of the run, whose {name} is {spec[name]!r}, got {got[name]!r}; "
            "give the networks of its extraction with --weights"
        )
    settings = [
        {name: value for name, value in config.get(NETWORK, {}).items() if name != "detector_sha256"}
        for config in (spec.get("config", {}), got["config"])
    ]
    if difference := find_difference(*settings, prefix=f"config.{NETWORK}."):
        raise HeatpoolError(f"expected features as those of the run, got others: {difference}")
    compare_versions(summary, plan.spec.versions, name="now")
    manifest = replace(plan.work.manifest, class_names=tuple(summary["class_names"]))
    return replace(plan, work=replace(plan.work, manifest=manifest, in_one_go=True))
