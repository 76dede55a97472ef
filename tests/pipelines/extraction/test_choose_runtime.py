"""What runs the networks: the default, the quickest that is there, and that of a store that is resumed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from heatpool.pipelines.extraction import choose_runtime as module
from heatpool.pipelines.extraction.choose_runtime import choose_runtime, resumed_runtime
from heatpool.pipelines.options import ExtractOptions, NetworkOptions
from heatpool.pool.errors import HeatpoolError
from tests.pipelines.extraction.choose_cases import chosen
from tests.pool.store.store_cases import make_spec, make_store


def choose(device: str = "cpu", **given: object) -> str:
    defaults = {"backend": "hrnet-simcc", "dtype": "float32"}
    return choose_runtime(NetworkOptions(**{**defaults, **given}), device)  # type: ignore[arg-type]


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these packages alone be installed."""
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace() if name in names else None)


def test_the_default_does_not_depend_on_what_is_installed(tmp_path: Path) -> None:
    assert choose() == "torch"
    assert choose(backend="onnx") == "onnxruntime"
    options, reasons = chosen(tmp_path, backend="tiny", detector="tiny")
    assert (options.runtime, reasons) == ("torch", ())


def test_auto_takes_openvino_where_it_is_and_fits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "heatpool")
    install(monkeypatch, "openvino", "onnx", "onnxscript")
    assert choose(runtime="auto") == choose(runtime="auto", dtype="bfloat16") == "openvino"
    assert set(caplog.messages) == {"--runtime openvino"}
    assert choose("cuda", runtime="auto", dtype="float16") == "torch"
    assert choose(runtime="auto", batchnorm="published") == "torch"
    install(monkeypatch, "openvino")
    caplog.clear()
    assert choose(runtime="auto") == "torch"
    assert choose(runtime="auto", backend="onnx") == "onnxruntime"
    assert caplog.messages == [
        f"--runtime {runtime} (not installed: onnx, onnxscript)" for runtime in ("torch", "onnxruntime")
    ]


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HeatpoolError, match="onnxruntime or openvino with --backend onnx, got torch"):
        choose(backend="onnx", runtime="torch")
    install(monkeypatch)
    with pytest.raises(HeatpoolError, match="--dtype float32 with --runtime onnxruntime .*, got bfloat16"):
        choose(backend="onnx", runtime="auto", dtype="bfloat16")
    with pytest.raises(HeatpoolError, match="--runtime torch with --batchnorm published, got openvino"):
        choose(runtime="openvino", batchnorm="published")


def test_a_store_is_resumed_by_what_began_it(tmp_path: Path) -> None:
    make_store(tmp_path / "new", spec=make_spec(config={"runtime": "openvino"}))
    make_store(tmp_path / "old", spec=make_spec(config={}))
    for name, runtime in (("new", "openvino"), ("old", "torch"), ("none", None)):
        assert resumed_runtime(ExtractOptions(resume=True), tmp_path / name) == runtime
    assert resumed_runtime(ExtractOptions(), tmp_path / "new") is None
    assert resumed_runtime(ExtractOptions(resume=True, runtime="torch"), tmp_path / "new") == "torch"
