"""The table of commands; two words are a command of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines import configs

__all__ = ["COMMANDS", "GROUPS", "Command"]


@dataclass(frozen=True)
class Command:
    """A command: its configuration, the module whose `run` does it, and examples for its help.

    `bare` names the option that a word without dashes stands for.
    """

    config: type[Any]
    module: str
    examples: str
    bare: str = ""


COMMANDS: dict[str, Command] = {
    "demo": Command(configs.DemoConfig, "pipelines.demo", "heatpool demo"),
    "manifest": Command(
        configs.ManifestConfig,
        "pipelines.manifest",
        "heatpool manifest --videos my_videos --out clips.csv",
    ),
    "extract": Command(
        configs.ExtractConfig,
        "pipelines.extract",
        "heatpool extract                                   the demo data set\n"
        "heatpool extract --videos clips.csv --out features.zarr --backend onnx \\\n"
        "    --weights pose.onnx --tap relu4 --detector boxes-file --boxes boxes.csv\n"
        "heatpool extract --videos clips.csv --out features.zarr … --resume",
    ),
    "info": Command(configs.InfoConfig, "pipelines.info", "heatpool info features.zarr", bare="store"),
    "train": Command(
        configs.TrainCommandConfig,
        "pipelines.train",
        "heatpool train                                     the demo's features\n"
        "heatpool train --features features.zarr --split xsub --device cuda\n"
        "heatpool train --features features.zarr --split xsub --resume",
    ),
    "evaluate": Command(
        configs.EvaluateConfig,
        "pipelines.evaluate",
        "heatpool evaluate --run work_dirs/features-xsub --part test",
    ),
}

GROUPS: dict[str, str] = {}
"""What the commands of a group are for, by the group's word."""
