"""Small files that programs of this field take wrongly, and how to tell from outside what heatpool makes of each.

A case runs the program on the file and says what is wrong with the outcome, "" if nothing is. It knows no code of
the build that it judges: `tests/test_inputs.py` runs the cases in its own process, `benchmarks.inputs` any build.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from heatpool.extract.demo.stills import render_still
from heatpool.pool.store.reader import FeatureStore

__all__ = ["CASES", "Case", "Done", "Trial"]

_TAP = ("--backend", "onnx", "--tap", "feat")
_PYSKL = ("--model", "linear", "--streams", '["keypoints_joint"]', "--epochs", 2, "--threads", 1)


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """How it ended, in a line."""
        lines = self.err.strip().splitlines()
        return f"exit code {self.code}" + (f": {lines[-1]}" if self.code and lines else "")

    def not_refused(self) -> str:
        """Return "" where it ended with a line of error and no traceback, else how it ended."""
        return "" if self.code == 1 and "Traceback" not in self.err else self.last


@dataclass(eq=False)
class Trial:
    """A file, and a build to try it on.

    Attributes:
        file: the input.
        folder: an empty folder, in which commands run.
        heatpool: runs a command of the build there.
        verdicts: how doctor ended, and the command that it must agree with; the last of each.
    """

    file: Path
    folder: Path
    heatpool: Callable[[Path, list[str]], Done]
    verdicts: tuple[Done | None, Done | None] = (None, None)

    def run(self, *words: object) -> Done:
        """Run a command."""
        done = self.heatpool(self.folder, [str(word) for word in words])
        self.verdicts = (self.verdicts[0], done)
        return done

    def extract(self, videos: Path, out: str, *more: object) -> Done:
        """Extract, whole frames by the tiny network where no others are named; then ask doctor, too."""
        network = [] if "--backend" in more else ["--backend", "tiny"]
        boxes = [] if "--boxes" in more else ["--detector", "full-frame"]
        done = self.run(
            "extract", videos, "--out", out, "--steps", 8, "--threads", 1, "--device", "cpu", *boxes, *network, *more
        )
        words = ["doctor", videos, "--out", "doctor.csv", "--decode", *(boxes + network if more else []), *more]
        self.verdicts = (self.heatpool(self.folder, [str(word) for word in words]), done)
        return done

    def store(self, name: str) -> FeatureStore:
        """Open what an extraction or an import has made."""
        return FeatureStore.open(self.folder / name)

    def disagreement(self) -> str:
        """Return "" where doctor finds errors just where the command does not go through."""
        doctor, done = self.verdicts
        if doctor is None or done is None or (doctor.code == 0) == (done.code == 0):
            return ""
        return f"doctor: {doctor.last}"


@dataclass(frozen=True)
class Case:
    """An input and its right answer.

    Attributes:
        file: name in the folder of inputs.
        answer: the right one, in words.
        judge: returns what is wrong, "" if nothing.
    """

    file: str
    answer: str
    judge: Callable[[Trial], str]

    def wrong(self, trial: Trial) -> str:
        """Return what is wrong with the answer of a build, or with doctor's; "" if nothing."""
        return self.judge(trial) or trial.disagreement()


def make_video(path: Path, frames: list[np.ndarray] | None = None) -> Path:
    """Encode frames, or twelve of a drawn person."""
    if frames is None:
        picture = render_still(np.random.default_rng(0), width_px=120, height_px=80).rgb
        frames = [np.ascontiguousarray(picture[:, step : step + 96]) for step in range(12)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "1"})
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def _whole(trial: Trial, *, frames: int = 0, size_px: tuple[int, int] | None = None) -> str:
    """One video: status ok, exit code 0, so many frames of that size."""
    done = trial.extract(trial.file, "a.zarr")
    if done.code:
        return done.last
    (result,) = trial.store("a.zarr").results([0])
    shown = (result.width_px, result.height_px)
    if result.status.name != "OK" or result.frames < 2 or (frames and result.frames != frames):
        return f"{result.status.name.lower()}, {result.frames} frames: {result.reason}"
    return f"{shown[0]} x {shown[1]} pixels" if size_px and shown != size_px else ""


def _mirrored(trial: Trial) -> str:
    """It gives the features of a copy that was mirrored by hand."""
    with av.open(str(trial.file)) as container:
        coded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    copies = {"mirrored": [each[:, ::-1] for each in coded], "turned": [each[::-1, ::-1] for each in coded]}
    copies |= {"as coded": coded, "upside down": [each[::-1] for each in coded]}
    pooled = {}
    for name, frames in copies.items():
        video = make_video(trial.folder / f"{name}.mp4", [np.ascontiguousarray(each) for each in frames])
        trial.extract(video, f"{name}.zarr")
        pooled[name] = trial.store(f"{name}.zarr")["pooled"][0].astype("f4")
    wrong = _whole(trial)
    if wrong:
        return wrong
    shown = trial.store("a.zarr")["pooled"][0].astype("f4")
    nearest = min(pooled, key=lambda name: float(np.abs(pooled[name] - shown).sum()))
    return "" if nearest == "mirrored" else f"shown {nearest}"


def _gap(trial: Trial) -> str:
    done = trial.extract(trial.file, "a.zarr", "--window-s", 1)
    if done.code:
        return done.last
    return "" if "windows in gaps" in done.err else "windows without frames are not spoken of"


def _in_a_folder(trial: Trial) -> str:
    videos = trial.folder / "videos"
    videos.mkdir()
    shutil.copy(trial.file, videos / trial.file.name.upper())
    (videos / "notes.docx").write_bytes(b"notes")
    done = trial.extract(videos, "a.zarr")
    return done.last if done.code else "" if ".docx" in done.err else "what else lies there is not said"


def _external_weights(trial: Trial) -> str:
    video, decoy = make_video(trial.folder / "v.mp4"), trial.folder / f"{trial.file.name}.data"
    changed = trial.folder / "changed"
    changed.mkdir()
    data = (trial.file.parent / decoy.name).read_bytes()
    shutil.copy(trial.file, changed)
    (changed / decoy.name).write_bytes(np.float32(2 * np.frombuffer(data, "f4")).tobytes())
    for out, weights in (("a", trial.file), ("b", changed / trial.file.name)):
        done = trial.extract(video, f"{out}.zarr", *_TAP, "--weights", weights)
        if done.code:
            return done.last
        decoy.write_bytes(bytes(len(data)))  # in the working folder from the second run on
    one, other = trial.store("a.zarr"), trial.store("b.zarr")
    if one.spec.weights_sha256 == other.spec.weights_sha256:
        return "the same digest with other weights"
    pooled = [each["pooled"][0].astype("f4") for each in (one, other)]
    # A network of convolutions: twice the weights give other features, and zeros would give none.
    return "weights of the working folder" if np.allclose(pooled[1], pooled[0]) or not pooled[1].any() else ""


def _onnx(trial: Trial) -> str:
    """Read as what it is: joints inside the picture."""
    done = trial.extract(make_video(trial.folder / "v.mp4"), "a.zarr", *_TAP, "--weights", trial.file)
    if done.code:
        return done.not_refused()
    inside = np.abs(trial.store("a.zarr")["keypoints"][0, 0, ..., :2].astype("f4")).max()
    return "" if inside < 1.6 else f"joints at {inside:.1f} half pictures from the middle"


def _refused_onnx(trial: Trial) -> str:
    done = trial.extract(make_video(trial.folder / "v.mp4"), "a.zarr", *_TAP, "--weights", trial.file)
    return done.not_refused()


def _fractions(trial: Trial) -> str:
    make_video(trial.folder / "a.mp4")
    boxes = shutil.copy(trial.file, trial.folder / "boxes.csv")
    return trial.extract(trial.folder / "a.mp4", "a.zarr", "--boxes", boxes).not_refused()


def _labels(trial: Trial, wanted: list[int]) -> str:
    for number in range(1, len(wanted) + 1):
        make_video(trial.folder / f"c{number}.mp4")
    done = trial.extract(Path(shutil.copy(trial.file, trial.folder / "clips.csv")), "a.zarr")
    if done.code:
        return done.last
    found = trial.store("a.zarr").clips.index
    classes = max(wanted) + 1
    if found.label.tolist() != wanted or len(found.class_names) not in (0, classes):
        return f"labels {found.label.tolist()}, classes {list(found.class_names)}"
    return ""


def _class_names(trial: Trial) -> str:
    videos = trial.folder / "videos"
    videos.mkdir()
    make_video(videos / "c1.mp4")
    table = trial.folder / "table.csv"
    table.write_text("path,label\nc1.mp4,0\n", encoding="utf-8")
    done = trial.run(
        "manifest", "--dataset", "csv", "--videos", videos, "--annotations", table, "--class-names", trial.file,
        "--out", "clips.csv",
    )  # fmt: skip
    if done.code:
        return done.last
    text = (trial.folder / "clips.csv").read_text(encoding="utf-8")
    return "" if "walk" in text and "\ufeff" not in text else "the mark is in the name"


def _pyskl(trial: Trial, *words: object, protocols: tuple[str, ...] = ()) -> str:
    done = trial.run("archive", "import", trial.file, "k.zarr", "--steps", 8)
    if done.code:
        return done.last
    found = trial.store("k.zarr").clips.protocols
    if protocols and found != protocols:
        return f"protocols {', '.join(found)}"
    done = trial.run("train", "k.zarr", "--out", "run", *_PYSKL, *words)
    return done.last if done.code else ""


CASES = (
    Case("mirrored_hflip.mp4", "mirrored left-right, status ok", _mirrored),
    Case("edit_list_trim.mp4", "30 frames, status ok", lambda trial: _whole(trial, frames=30)),
    Case("xvid_packed.avi", "status ok", _whole),
    Case("cover_first.mp4", "the video is read, status ok", _whole),
    Case("sar_4_3.mp4", "square pixels: 128 x 64, status ok", lambda trial: _whole(trial, size_px=(128, 64))),
    Case("gap_6s.mp4", "windows without frames are no clips, and that is said", _gap),
    Case("camcorder.mts", "read out of a folder; what else lies there is said", _in_a_folder),
    Case("ext.onnx", "weights from beside the file, digest over both", _external_weights),
    Case("simcc_y_first.onnx", "joints inside the picture, or refused in a line", _onnx),
    Case("rtmo_like_dets_keypoints.onnx", "refused in a line", _refused_onnx),
    Case("noshape.onnx", "works, or a line", _onnx),
    Case("boxes_normalised.csv", "refused in a line", _fractions),
    Case("labels_minus_one.csv", "0, 1 and unlabelled", lambda trial: _labels(trial, [0, 1, -1])),
    Case("labels_pandas_floats.csv", "0, 2, 10 and unlabelled", lambda trial: _labels(trial, [0, 2, 10, -1])),
    Case("class_names_bom.txt", "the class is called walk", _class_names),
    Case(
        "pyskl_ucf101_splits.pkl", "protocols split1, split2, split3; trains",
        lambda trial: _pyskl(trial, "--protocol", "split1", protocols=("split1", "split2", "split3")),
    ),
    Case("pyskl_train_val_only.pkl", "trains", _pyskl),
    Case("pyskl_25_joints.pkl", "trains on its own graph", lambda trial: _pyskl(trial, "--model", "ctrgcn")),
)  # fmt: skip
