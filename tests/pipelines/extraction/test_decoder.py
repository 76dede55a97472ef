"""Who decodes reaches the decoder: the CPU, or the GPU of the process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import heatpool
from heatpool.extract.video import decode
from heatpool.extract.video.reader import DecodedFrame, VideoInfo, iter_frames
from heatpool.pipelines.extraction import decoder, run
from heatpool.pipelines.extraction.decoder import pick_decoder
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker, gray_frames


def test_the_gpu_of_the_networks_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []
    monkeypatch.setattr(decoder, "check_nvdec", checked.append)
    asked = ExtractOptions(decoder="nvdec")
    assert pick_decoder(asked, torch.device("cuda", 3)) == 3 == checked[0]
    assert pick_decoder(ExtractOptions(), torch.device("cuda", 3)) is None
    with pytest.raises(HeatpoolError, match="expected --device cuda with --decoder nvdec, .*; got cpu"):
        pick_decoder(asked, torch.device("cpu"))


def test_every_clip_is_decoded_there(
    tmp_path: Path, make_video: VideoMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus: list[int | None] = []

    def noted(path: Path, wanted: np.ndarray, *, info: VideoInfo, gpu: int | None) -> Iterator[DecodedFrame]:
        gpus.append(gpu)
        return iter_frames(path, wanted, info=info)

    monkeypatch.setattr(decode, "iter_frames", noted)
    monkeypatch.setattr(run, "pick_decoder", lambda options, device: 5)
    for number in range(2):
        make_video(gray_frames(4), f"videos/{number}.mp4")
    heatpool.extract(
        tmp_path / "videos", tmp_path / "s.zarr", backend="tiny", detector="full-frame", decoder="nvdec",
        quiet=True,
    )  # fmt: skip
    assert gpus == [5, 5]


@pytest.mark.gpu
def test_features_do_not_tell_who_decoded(tmp_path: Path, make_video: VideoMaker) -> None:
    """Nor, but for last bits, whether graphs ran the network."""
    for number in range(6):
        make_video(gray_frames(20, width=160, height=160), f"videos/{number}.mp4")
    stores = [
        heatpool.extract(
            tmp_path / "videos", tmp_path / f"{decoder}-{runtime}.zarr", backend="tiny", device="cuda",
            detector="full-frame", decoder=decoder, runtime=runtime, person_batch=16, quiet=True,
        )
        for decoder, runtime in [("cpu", "torch"), ("nvdec", "torch"), ("nvdec", "cuda-graphs")]
    ]  # fmt: skip
    plain, decoded, graphs = (store.open()["pooled"][:] for store in stores)
    assert np.abs(plain).max() > 0
    np.testing.assert_array_equal(decoded, plain)
    np.testing.assert_allclose(graphs, plain, rtol=1e-2, atol=1e-2)
