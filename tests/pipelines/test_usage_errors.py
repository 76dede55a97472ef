"""What a user can repair: one line, and an exit code that says of which kind it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction.weights_search import WeightsSearchPath
from tests.pipelines.program import said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "heatpool: expected a command: demo, "),
        (["fly"], "heatpool: unknown command 'fly'; see --help"),
        (["trian"], "heatpool: unknown command 'trian'; did you mean train?"),
        (["--quiet", "train"], "expected a command before --quiet"),
        (["archive"], "heatpool archive: expected a command: pack, verify, "),
        (["archive", "pac"], "heatpool archive: unknown command 'pac'; did you mean pack?"),
        (["extract", "--zzz", "3"], "heatpool extract: unknown option --zzz; see --help"),
        (["extract", "--person", "3"], "unknown option --person; did you mean --persons?"),
        (["extract", "--over"], "unknown option --over; did you mean --overwrite?"),
        (["extract", "--persons", "two"], "expected --persons to be a whole number, got 'two'"),
        (["extract", "--persons", "0"], "expected --persons from 1 to 255, got 0"),
        (["extract", "--persons"], "--persons: expected one argument"),
        (["extract", "--min-score", "nan"], "expected --min-score to be a number, got 'nan'"),
        (
            ["train", "--model", "ctr"],
            "expected --model to be one of auto, ctrgcn, linear, mlp, tcn, hpnet, got 'ctr'; did you mean "
            "ctrgcn?",
        ),
        (["train", "--milestones", "3,x"], "expected --milestones to be whole numbers with commas between"),
        (["train", "--p-interval", "0.5"], "expected --p-interval to be 2 numbers with commas between"),
        (["train", "--layers", "1"], "expected --layers to be lists of numbers such as [[1,1],[2,2]]"),
        (["train", "--quiet=maybe"], "expected --quiet to be true or false, got 'maybe'"),
        (["extract", "--resume", "--overwrite"], "expected --resume or --overwrite, got both"),
        (["extract", "--sample-fps", "5", "--frame-stride", "2"], "--frame-stride or --sample-fps, got both"),
        (["extract", "--stride-s", "1"], "expected --window-s with --stride-s"),
        (["extract", "--disjoint", "xsub"], "expected --disjoint such as my_split=subject"),
        (["train", "--streams", "[pooled_joint,pooled_joint]"], "each once"),
        (["train", "--mixup", "0.1"], "expected --mixup with --model hpnet only"),
        (["info"], "heatpool info: expected STORE or --store STORE; see --help"),
        (
            ["convert", "a", "b", "--precision", "u1", "--like-accuracy", "r"],
            "expected --precision or --like-accuracy",
        ),
        (
            ["convert", "a", "b", "--precision", "u2"],
            "expected --precision f2, u1, error:2% or float16:2%, got 'u2'",
        ),
        (["info", "a", "b"], "expected an option before 'b'"),
        (["extract", "--config", "nowhere.yaml"], "cannot read nowhere.yaml: No such file"),
        (["train", "--split", "xsub"], "unknown option --split; it is now --protocol"),
        (["ablate", "f.zarr", "--by", "subject"], "unknown option --by; it is now --group-by"),
        (["archive", "subset", "a", "b", "--split", "xsub"], "--split xsub is now --protocol xsub"),
        (["archive", "subset", "a", "b", "--part", "val"], "unknown option --part; it is now --split"),
        (["evaluate", "run", "--part", "val"], "unknown option --part; it is now --split"),
        (["compare", "a", "b", "--draws", "9"], "unknown option --draws; it is now --n-bootstrap"),
        (["predict", "a", "b", "--film", "c"], "unknown option --film; it is now --annotate"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    line = said(capsys)
    assert message in line
    assert line.startswith("heatpool")
    assert line.endswith("; see --help")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "--videos", "nowhere"], "nowhere does not exist"),
        (["extract", "--videos", "empty"], "expected videos"),
        (["extract", "--videos", "videos", "--fetch", "false"], "expected --weights: none"),
        (["extract", "--videos", "videos", "--backend", "onnx", "--no-fetch"], "expected --detector"),
        (
            ["extract", "--videos", "videos", "--backend", "onnx", "--detector", "full-frame"],
            "expected --weights pose.onnx and --tap NAME with --backend onnx",
        ),
        (
            ["extract", "--videos", "videos", "--backend", "yolo-pose", "--detector", "full-frame"],
            "expected no --detector with --backend yolo-pose",
        ),
        (
            ["extract", "--videos", "videos", "--backend", "yolo-pose", "--fetch", "false"],
            "expected --weights of yolo-pose: none are available locally",
        ),
        (
            ["extract", "--videos", "videos", "--backend", "yolo-pose", "--weights", "nowhere.pt"],
            "cannot load nowhere.pt",
        ),
        (["extract", "videos", "--device", "tpu"], "expected --device auto, cpu, cuda"),
        (
            ["extract", "videos", "--device", "cpu", "--decoder", "nvdec"],
            "expected --device cuda with --decoder nvdec",
        ),
        (
            ["extract", "videos", "--device", "cpu", "--runtime", "cuda-graphs", "--backend", "tiny"],
            "expected --device cuda with --runtime cuda-graphs, got cpu",
        ),
        (
            ["extract", "videos", "--backend", "tiny", "--detector", "boxes-file"],
            "expected --boxes boxes.csv",
        ),
        (
            ["extract", "--videos", "videos", "--backend", "tiny", "--detector", "full-frame", "--tap", "x"],
            "expected --tap out of stages.0.branches.0,",
        ),
        (["info", "nowhere"], "nowhere"),
        (["info", "--store", "nowhere"], "nowhere"),
        (["train", "--features", "nowhere"], "nowhere"),
        (["train", "nowhere"], "nowhere"),
        (["evaluate", "--run", "nowhere"], "expected a finished run in nowhere"),
        (["manifest", "--videos", "nowhere", "--out", "x.csv"], "expected a folder of videos"),
        (["manifest", "nowhere", "x.csv"], "expected a folder of videos"),
    ],
)
def test_what_a_user_can_repair_is_one_line_and_exit_code_1(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        WeightsSearchPath, "of_machine", classmethod(lambda cls: WeightsSearchPath((tmp_path,)))
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_text("not a video")
    if "tpu" in arguments or "cuda-graphs" in arguments:
        arguments = [*arguments, "--backend", "tiny", "--detector", "full-frame"]
    assert main(arguments) == 1
    assert message in said(capsys)
