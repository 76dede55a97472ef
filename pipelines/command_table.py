"""The table of commands; two words are a command of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heatpool.pipelines import options as configs

__all__ = ["CLIPS_FAILED", "COMMANDS", "GROUPS", "Command"]

CLIPS_FAILED = 3
"""Exit code of a run that finished although some clips are damaged."""


@dataclass(frozen=True)
class Command:
    """A command: its configuration, the module whose `run` does it, and examples for its help.

    `bare` names the options that words without dashes stand for, in order; one that ends in `...` takes all.
    """

    config: type[Any]
    module: str
    examples: str
    bare: str = ""


COMMANDS: dict[str, Command] = {
    "demo": Command(configs.DemoOptions, "heatpool.pipelines.commands.demo", "heatpool demo"),
    "manifest": Command(
        configs.ManifestOptions,
        "heatpool.pipelines.commands.manifest",
        "heatpool manifest --videos my_videos --out clips.csv --test-fraction 0.2 --val-fraction 0.1\n"
        "heatpool manifest --dataset ntu120 --videos nturgb+d_rgb --out ntu120.csv --val-fraction 0.05\n"
        "heatpool manifest --dataset csv --videos my_videos --annotations table.csv \\\n"
        "    --columns path=file,label=action,subject=person --out clips.csv",
    ),
    "doctor": Command(
        configs.DoctorOptions,
        "heatpool.pipelines.commands.doctor",
        "heatpool doctor clips.csv\nheatpool doctor clips.csv --metadata-only --disjoint my_split=subject",
        bare="manifest",
    ),
    "extract": Command(
        configs.ExtractOptions,
        "heatpool.pipelines.commands.extract",
        "heatpool extract                                   the demo data set\n"
        "heatpool extract --videos clips.csv --out features.zarr --backend onnx \\\n"
        "    --weights pose.onnx --tap relu4 --detector boxes-file --boxes boxes.csv\n"
        "heatpool extract --videos clips.csv --out features.zarr … --dry-run\n"
        "heatpool extract --videos clips.csv --out features.zarr … --resume",
    ),
    "forecast": Command(
        configs.ForecastOptions,
        "heatpool.pipelines.commands.forecast",
        "heatpool forecast --clips 1e6 --like features.zarr --workers 8\n"
        "heatpool forecast --clips 1e6 --frames 300 --backend hrnet-simcc --device cuda \\\n"
        "    --frames-per-second 400 --workers 8 --video-mb 1.7",
    ),
    "info": Command(
        configs.InfoOptions,
        "heatpool.pipelines.commands.info",
        "heatpool info features.zarr\nheatpool info features.zarr --csv clips.csv",
        bare="store",
    ),
    "verify": Command(
        configs.VerifyOptions,
        "heatpool.pipelines.commands.verify",
        "heatpool verify features.zarr",
        bare="store",
    ),
    "convert": Command(
        configs.ConvertOptions,
        "heatpool.pipelines.commands.convert",
        "heatpool convert features.zarr small.zarr --precision u1",
        bare="store out",
    ),
    "train": Command(
        configs.TrainOptions,
        "heatpool.pipelines.commands.train",
        "heatpool train                                     the demo's features\n"
        "heatpool train --features features.zarr --protocol xsub --device cuda\n"
        "heatpool train --features features.zarr --protocol xsub --streams joint,bone\n"
        "heatpool train --features features.zarr --protocol xsub --model linear --out work_dirs/probe\n"
        "heatpool train --features features.zarr --protocol xsub --seeds 5 --out work_dirs/five\n"
        "heatpool train --features features.zarr --protocol xsub --resume",
    ),
    "evaluate": Command(
        configs.EvaluateOptions,
        "heatpool.pipelines.commands.evaluate",
        "heatpool evaluate --run work_dirs/features-xsub --split test",
        bare="run",
    ),
    "predict": Command(
        configs.PredictOptions,
        "heatpool.pipelines.commands.predict",
        "heatpool predict --run work_dirs/features-xsub clip.mp4\n"
        "heatpool predict --run work_dirs/features-xsub new_videos --out answers.csv\n"
        "heatpool predict --run work_dirs/features-xsub long.mp4 --window-s 4 --stride-s 2 --annotate films",
        bare="videos",
    ),
    "fuse": Command(
        configs.FuseOptions,
        "heatpool.pipelines.commands.fuse",
        "heatpool fuse work_dirs/a work_dirs/b --out work_dirs/a_and_b     weights fitted on val\n"
        "heatpool fuse hpnet='scores/*_best_score.npy' J=scores/J.pkl B=scores/B.pkl \\\n"
        "    --weights 4,0.1,0.1 --add scores --labels smarthome",
        bare="scores...",
    ),
    "compare": Command(
        configs.CompareOptions,
        "heatpool.pipelines.commands.compare",
        "heatpool compare work_dirs/a work_dirs/b\n"
        "heatpool compare work_dirs/a work_dirs/b --stream pooled_joint --group-by subject --out a_b.json",
        bare="first second",
    ),
    "ablate": Command(
        configs.AblateOptions,
        "heatpool.pipelines.commands.ablate",
        "heatpool ablate features.zarr --protocol xsub\n"
        "heatpool ablate features.zarr --protocol xsub --group-by subject --out work_dirs/ablation\n"
        "heatpool ablate features.zarr --protocol xsub --resume",
        bare="features",
    ),
    "visualize": Command(
        configs.VisualizeOptions,
        "heatpool.pipelines.commands.visualize",
        "heatpool visualize clip.mp4 --out overlay.mp4 --sheet overlay.png\n"
        "heatpool visualize clip.mp4 --sheet overlay.png --heatmaps left_wrist,right_wrist \\\n"
        "    --backend yolo-pose --weights yolo26s-pose.pt",
        bare="video",
    ),
    "weights list": Command(
        configs.WeightsListOptions,
        "heatpool.pipelines.commands.weights_list",
        "heatpool weights list\nheatpool weights list --format json",
    ),
    "weights verify": Command(
        configs.WeightsVerifyOptions,
        "heatpool.pipelines.commands.weights_verify",
        "heatpool weights verify                            all that is at hand\n"
        "heatpool weights verify yolo11n-pose.pt",
        bare="weights",
    ),
    "archive pack": Command(
        configs.PackOptions,
        "heatpool.pipelines.commands.archive",
        "heatpool archive pack features.zarr features.hpz\n"
        "heatpool archive pack features.zarr features.hpz --card card.md",
        bare="store out",
    ),
    "archive verify": Command(
        configs.VerifyArchiveOptions,
        "heatpool.pipelines.commands.archive",
        "heatpool archive verify features.hpz",
        bare="archive",
    ),
    "archive unpack": Command(
        configs.UnpackOptions,
        "heatpool.pipelines.commands.archive",
        "heatpool archive unpack features.hpz features.zarr\n"
        "heatpool archive unpack https://example.org/features.hpz features.zarr",
        bare="archive out",
    ),
    "archive card": Command(
        configs.CardOptions,
        "heatpool.pipelines.commands.archive",
        "heatpool archive card features.hpz\nheatpool archive card features.zarr --out card.md",
        bare="store",
    ),
    "archive merge": Command(
        configs.MergeOptions,
        "heatpool.pipelines.commands.archive",
        "heatpool archive merge a.zarr b.hpz --out both.zarr",
        bare="stores...",
    ),
    "archive subset": Command(
        configs.SubsetOptions,
        "heatpool.pipelines.commands.archive",
        "heatpool archive subset features.zarr --protocol xsub --out xsub.zarr\n"
        "heatpool archive subset features.zarr --classes 'drink water,brush hair' --out two.zarr\n"
        "heatpool archive subset features.zarr --where 'subject=P001,P002;camera=C1' --out some.zarr",
        bare="store",
    ),
    "archive export": Command(
        configs.ExportOptions,
        "heatpool.pipelines.commands.archive_exchange",
        "heatpool archive export features.zarr features.h5\n"
        "heatpool archive export features.zarr keypoints.pkl         a PYSKL pickle\n"
        "heatpool archive export features.zarr folder                an .npy a clip",
        bare="store out",
    ),
    "archive import": Command(
        configs.ImportOptions,
        "heatpool.pipelines.commands.archive_exchange",
        "heatpool archive import features.h5 features.zarr\n"
        "heatpool archive import ntu60_hrnet.pkl keypoints.zarr --steps 64\n"
        "heatpool archive import folder features.zarr --manifest clips.csv",
        bare="source out",
    ),
}

GROUPS: dict[str, str] = {
    "archive": "Stores as one file to hand on, parts and unions of stores, other file formats.",
    "weights": "Official weights of the networks: what there is, and whether what is here is whole.",
}
"""What the commands of a group are for, by the group's word."""
