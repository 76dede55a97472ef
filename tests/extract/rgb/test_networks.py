from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from heatpool.extract.rgb.networks import ImageEmbedder
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.clip_networks import CROP_PX, WIDTH, XCLIP_FRAMES, save_clip, save_xclip
from tests.fixtures.torchvision_shim import install

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def xclip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_xclip(tmp_path_factory.mktemp("xclip"))


def crops(clips: int, frames: int) -> np.ndarray:
    shape = (clips, frames, CROP_PX, CROP_PX, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def normalised(pixels: np.ndarray, mean: list[float], std: list[float]) -> torch.Tensor:
    """As CLIP's own preprocessing: over 255, minus mean, over std, channels first."""
    values = (pixels.astype(np.float64) / 255 - mean) / std
    return torch.from_numpy(np.moveaxis(values, -1, -3)).float()


def test_clip_equals_a_direct_call_of_transformers(clip: Path) -> None:
    from transformers import CLIPModel

    embedder = ImageEmbedder("clip", clip, frames=3)
    assert (embedder.width, embedder.crop_px, embedder.array) == (WIDTH, CROP_PX, "rgb")
    given = crops(2, 3)
    got = embedder.encode(given)
    assert got.shape == (2, 3, WIDTH)
    assert got.dtype == np.float32
    pixels = normalised(given, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    with torch.inference_mode():
        features = (
            CLIPModel.from_pretrained(clip).eval().get_image_features(pixel_values=pixels.flatten(0, 1))
        )
    wanted = features.pooler_output.view(2, 3, WIDTH).numpy()
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


def test_xclip_equals_what_its_integration_transformer_is_given(xclip: Path) -> None:
    from transformers import XCLIPModel

    model = XCLIPModel.from_pretrained(xclip).eval()
    given = crops(2, XCLIP_FRAMES)
    seen: list[torch.Tensor] = []
    model.mit.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    pixels = normalised(given, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.inference_mode():
        model.get_video_features(pixel_values=pixels)
    got = ImageEmbedder("xclip", xclip, frames=XCLIP_FRAMES).encode(given)
    np.testing.assert_allclose(got, seen[0].numpy(), atol=1e-5 * float(seen[0].abs().max()))


def test_frames_speak_to_each_other_in_xclip_only(clip: Path, xclip: Path) -> None:
    given = crops(1, XCLIP_FRAMES)
    other = given.copy()
    other[0, 3] = 0
    for kind, folder, heard in (("clip", clip, False), ("xclip", xclip, True)):
        embedder = ImageEmbedder(kind, folder, frames=XCLIP_FRAMES)  # type: ignore[arg-type]
        one, two = (embedder.encode(each)[0, 0] for each in (given, other))
        assert (np.abs(one - two).max() > 1e-3) == heard


@pytest.mark.parametrize("kind", ["clip", "xclip"])
def test_batches_change_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    embedder = ImageEmbedder(kind, request.getfixturevalue(kind), frames=XCLIP_FRAMES)  # type: ignore[arg-type]
    given = crops(7, XCLIP_FRAMES)
    whole = embedder.encode(given)
    for size in (1, 2, 3):
        parts = np.concatenate([embedder.encode(given[at : at + size]) for at in range(0, 7, size)])
        np.testing.assert_allclose(parts, whole, atol=1e-5 * np.abs(whole).max())


def test_half_precision_stays_near_and_keeps_the_digest(clip: Path) -> None:
    given = crops(2, 3)
    exact, half = (
        ImageEmbedder("clip", clip, frames=3, dtype=each) for each in (torch.float32, torch.bfloat16)
    )
    wanted, got = exact.encode(given), half.encode(given)
    assert got.dtype == np.float32
    assert 0 < np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()
    assert half.weights_sha256 == exact.weights_sha256


def test_the_digest_follows_the_image_weights(clip: Path, tmp_path: Path) -> None:
    digest = ImageEmbedder("clip", clip).weights_sha256
    assert len(digest) == 64
    assert ImageEmbedder("clip", clip).weights_sha256 == digest
    assert ImageEmbedder("clip", save_clip(tmp_path, seed=1)).weights_sha256 != digest


def test_the_image_half_of_a_clip_loads_too(clip: Path, tmp_path: Path) -> None:
    from transformers import CLIPVisionModelWithProjection

    # Saved on its own, the half states the width of its projection itself.
    half = CLIPVisionModelWithProjection.from_pretrained(clip, projection_dim=WIDTH)
    half.save_pretrained(tmp_path)
    one, two = ImageEmbedder("clip", clip), ImageEmbedder("clip", tmp_path)
    np.testing.assert_array_equal(one.encode(crops(1, 8)), two.encode(crops(1, 8)))
    assert one.weights_sha256 == two.weights_sha256


def test_other_models_are_refused(clip: Path, xclip: Path, tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="expected a CLIP model, .* is of type xclip"):
        ImageEmbedder("clip", xclip)
    with pytest.raises(HeatpoolError, match="expected an X-CLIP model, .* is of type clip"):
        ImageEmbedder("xclip", clip)
    with pytest.raises(HeatpoolError, match="expected --rgb-frames 4, which .* is made for, got 8"):
        ImageEmbedder("xclip", xclip, frames=8)
    with pytest.raises(HeatpoolError, match="expected a CLIP model in a local folder or on the") as caught:
        ImageEmbedder("clip", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_model_that_lacks_weights_is_refused(clip: Path, tmp_path: Path) -> None:
    shutil.copytree(clip, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "model.safetensors"
    state = safetensors.torch.load_file(file)
    del state["visual_projection.weight"]
    safetensors.torch.save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(HeatpoolError, match="lacks 1 of its tensors: visual_projection.weight"):
        ImageEmbedder("clip", tmp_path)


def test_a_torchvision_that_does_not_match_is_explained(clip: Path) -> None:
    code = (
        "from heatpool.extract.rgb.networks import ImageEmbedder\n"
        f"ImageEmbedder('clip', {str(clip)!r}); print('loaded')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        assert "loaded" in done.stdout  # here torchvision matches
    else:
        assert "torchvision does not match torch" in done.stderr.splitlines()[-1]


def test_missing_transformers_are_named(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(HeatpoolError, match=r"a CLIP model needs transformers: pip install 'heatpool\[hf\]'"):
        ImageEmbedder("clip", clip)
