"""Small files that programs of this field take wrongly, and how to tell what a build makes of each.

A case runs the program on the file and says what is wrong with the outcome, "" if nothing is. It knows no
code of the build: `tests/test_inputs.py` runs it in its own process, `python -m benchmarks.inputs` by any.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import onnx

from benchmarks.input_trials import Case, Done, Trial, make_video

__all__ = ["CASES"]

_TAP = ("--backend", "onnx", "--tap", "feat")
_CHECKPOINTS = {"p6pose": 17, "k4": 4, "k133": 133, "k17x2": 17, "twocls": 17, "p6det": 0, "det_People": 0}
"""Those that the script writes, and their joints; 0 of a detector."""
_PYSKL = ("--model", "linear", "--streams", '["keypoints_joint"]', "--epochs", 2, "--threads", 1)


def _whole(trial: Trial, *, frames: int = 0, size_px: tuple[int, int] | None = None) -> str:
    """One video: status ok, exit code 0, so many frames of that size."""
    done = trial.extract_and_ask(trial.file)
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
    done = trial.extract_and_ask(trial.file, "--window-s", 1)
    if done.code:
        return done.last
    return "" if "windows in gaps" in done.err else "windows without frames are not spoken of"


def _in_a_folder(trial: Trial) -> str:
    videos = trial.folder / "videos"
    videos.mkdir()
    shutil.copy(trial.file, videos / trial.file.name.upper())
    (videos / "notes.docx").write_bytes(b"notes")
    done = trial.extract_and_ask(videos)
    return done.last if done.code else "" if ".docx" in done.err else "what else lies there is not said"


def _external_weights(trial: Trial) -> str:
    video, decoy = make_video(trial.folder / "v.mp4"), trial.folder / f"{trial.file.name}.data"
    changed = trial.folder / "changed"
    changed.mkdir()
    data = (trial.file.parent / decoy.name).read_bytes()
    shutil.copy(trial.file, changed)
    (changed / decoy.name).write_bytes(np.float32(2 * np.frombuffer(data, "f4")).tobytes())
    done = trial.extract_and_ask(video, *_TAP, "--weights", trial.file)
    if done.code:
        return done.last
    decoy.write_bytes(bytes(len(data)))  # in the working folder, where nothing must be looked for
    done = trial.extract(video, "b.zarr", *_TAP, "--weights", changed / trial.file.name)
    if done.code:
        return done.last
    one, other = trial.store("a.zarr"), trial.store("b.zarr")
    if one.spec.weights_sha256 == other.spec.weights_sha256:
        return "the same digest with other weights"
    pooled = [each["pooled"][0].astype("f4") for each in (one, other)]
    # A network of convolutions: twice the weights give other features, and zeros would give none.
    return "weights of the working folder" if np.allclose(pooled[1], pooled[0]) or not pooled[1].any() else ""


def _onnx(trial: Trial) -> Done:
    return trial.extract_and_ask(make_video(trial.folder / "v.mp4"), *_TAP, "--weights", trial.file)


def _y_first(trial: Trial) -> str:
    """Its joints are those of a copy that gives x first."""
    model = onnx.load(trial.file)
    along_y, along_x = model.graph.output
    swapped = [onnx.ValueInfoProto.FromString(each.SerializeToString()) for each in (along_x, along_y)]
    del model.graph.output[:]
    model.graph.output.extend(swapped)
    onnx.save(model, trial.folder / "x_first.onnx")
    done = _onnx(trial)
    trial.extract(trial.folder / "v.mp4", "b.zarr", *_TAP, "--weights", trial.folder / "x_first.onnx")
    if done.code:
        return done.not_refused()
    found, wanted = (trial.store(name)["keypoints"][0] for name in ("a.zarr", "b.zarr"))
    return "" if np.array_equal(found, wanted) else "other joints than of a copy that gives x first"


def _works_or_refused(trial: Trial) -> str:
    done = _onnx(trial)
    return done.not_refused() if done.code else ""


def _fractions(trial: Trial) -> str:
    make_video(trial.folder / "a.mp4")
    boxes = shutil.copy(trial.file, trial.folder / "boxes.csv")
    done = trial.extract_and_ask(trial.folder / "a.mp4", "--boxes", boxes)
    if done.code:
        return done.last
    first = trial.store("a.zarr")["boxes"][0][0, 0]
    return "" if np.allclose(first, (0.3, 0.1, 0.6, 0.9), atol=0.001) else f"a box of {first}"


def _labels(trial: Trial, wanted: list[int]) -> str:
    for number in range(1, len(wanted) + 1):
        make_video(trial.folder / f"c{number}.mp4", seed=number)
    done = trial.extract_and_ask(Path(shutil.copy(trial.file, trial.folder / "clips.csv")))
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
    source = ["--dataset", "csv", "--annotations", table, "--class-names", trial.file]
    done = trial.run("manifest", "--videos", videos, "--out", "clips.csv", *source)
    if done.code:
        return done.last
    text = (trial.folder / "clips.csv").read_text(encoding="utf-8")
    return "" if "walk" in text and "\ufeff" not in text else "the mark is in the name"


def _ultralytics(trial: Trial) -> str:
    """Checkpoints of other strides, joints and classes, which the script writes."""
    subprocess.run([sys.executable, trial.file], cwd=trial.folder, check=True, capture_output=True)
    video = make_video(trial.folder / "v.mp4")
    for name, joints in _CHECKPOINTS.items():
        network = ["--backend", "yolo-pose", "--weights"] if joints else ["--backend", "tiny", "--detector"]
        detector = ["--detector", "auto"] if joints else []
        words = [*detector, *network, f"{name}.pt", "--min-score", 0.01]
        done = trial.extract(video, f"{name}.zarr", *words, steps=2)
        if done.code:
            return f"{name}: {done.last}"
        if joints and trial.store(f"{name}.zarr").spec.joints != joints:
            return f"{name}: {trial.store(f'{name}.zarr').spec.joints} joints"
    return ""


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
    Case("simcc_y_first.onnx", "x and y told apart, or refused in a line", _y_first),
    Case("rtmo_like_dets_keypoints.onnx", "refused in a line", lambda trial: _onnx(trial).not_refused()),
    Case("noshape.onnx", "works, or a line", _works_or_refused),
    Case(
        "make_ultralytics_models.py", "P6, 4 and 133 joints and `Person` are read as they are", _ultralytics,
        slow=True,
    ),
    Case("boxes_normalised.csv", "fractions of the picture", _fractions),
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
