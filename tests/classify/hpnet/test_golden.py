"""HP-Net against the outputs of the published code, with weights that follow from the tensors' names.

The cross-frame ViT and the text encoder have 150 million weights; they run with `-m slow`.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from heatpool.classify.hpnet.frames import FrameEncoder
from heatpool.classify.hpnet.integration import MultiframeIntegration, integration_from_xclip
from heatpool.classify.hpnet.network import SKELETONS, HPNet
from heatpool.classify.hpnet.published_names import from_published
from heatpool.classify.hpnet.text import tokenise
from heatpool.classify.hpnet.trmm import TextRefinement
from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.networks.graph import HPNET_GRAPH
from heatpool.pool.errors import HeatpoolError
from tests.classify.deterministic_weights import array, weights
from tests.classify.hpnet.published_names import to_published
from tests.fixtures.torchvision_shim import install
from tests.paths import GOLDEN

CLASSES = ("drink water", "eat meal", "brush teeth", "hand waving", "shaking hands")
VIT_B16 = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "patch_size": 16, "image_size": 224, "num_frames": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "hpnet_vitb16_t8.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of the published state dict by name."""
    text = gzip.decompress((GOLDEN / "hpnet_vitb16_t8.keys.json.gz").read_bytes())
    return {name: tuple(shape) for name, shape in json.loads(text).items()}


def published(shapes: dict[str, tuple[int, ...]], *prefixes: str) -> dict[str, Tensor]:
    """Name-derived weights under published names, as far as they begin with a prefix; ln(1/0.07) as scale."""
    state = {
        name: torch.from_numpy(np.asarray(weights(name, shape)))
        for name, shape in shapes.items()
        if name.startswith(prefixes)
    }
    if "logit_scale" in state:
        state["logit_scale"] = torch.tensor(np.log(1 / 0.07), dtype=torch.float32)
    return state


def skeleton_networks() -> dict[Any, CTRGCN]:
    adjacency = torch.from_numpy(HPNET_GRAPH.adjacency())
    return {name: CTRGCN(96, 31, adjacency=adjacency) for name in SKELETONS}


def skeleton_inputs() -> dict[Any, Tensor]:
    """(4, 64, 17, 96): two clips of two persons, packed."""
    named = {name: array(f"hpnet.{name}", (2, 96, 64, 17, 2)) for name in SKELETONS}
    named["joint"] = np.abs(named["joint"])
    return {
        name: torch.from_numpy(x.transpose(0, 4, 2, 3, 1).reshape(4, 64, 17, 96)) for name, x in named.items()
    }


CLIP, SLOT = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])


def assert_close(ours: Tensor, theirs: np.ndarray) -> None:
    """Within 1e-4 of the largest value."""
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())


def test_trmm_alone_equals_the_published_one(
    golden: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]
) -> None:
    trmm = TextRefinement(768, 512)
    state = from_published(published(shapes, "ske_film"))
    trmm.load_state_dict({name.removeprefix("trmm."): tensor for name, tensor in state.items()})
    text, skeleton = (torch.from_numpy(golden[f"{name}_features"]) for name in ("text", "skeleton"))
    assert_close(trmm(text, skeleton), golden["trmm_out"])


class _Given(nn.Module):
    """Stands for the visual branch: the published video vectors."""

    def __init__(self, video: np.ndarray) -> None:
        super().__init__()
        self.video = torch.from_numpy(video)

    def forward(self, skeleton: Tensor) -> Tensor:
        return self.video


@torch.no_grad()
def test_skeletons_auxiliary_heads_and_logits_equal_the_published_ones(
    golden: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]
) -> None:
    network = HPNet(skeleton_networks(), torch.from_numpy(golden["text_features"]), frames=0).eval()
    network.stand_in = None
    state = from_published(published(shapes, "GCN", "ske_", "logit_scale"))
    network.load_state_dict({**state, "labels": network.labels})
    network.stand_in = _Given(golden["video_features"])  # type: ignore[assignment]
    out = network(skeleton_inputs(), CLIP, SLOT, clips=2)
    assert_close(out.skeleton, golden["skeleton_features"])
    for name in SKELETONS:
        assert_close(out.auxiliary[name], golden[f"{name}_logits"])
    assert_close(out.refinement, golden["trmm_out"])
    assert_close(out.logits, golden["logits"])


def test_every_published_name_and_shape_maps_to_ours_and_back(shapes: dict[str, tuple[int, ...]]) -> None:
    install()
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    with torch.device("meta"):
        encoder = FrameEncoder.from_config(VIT_B16, 512)
        labels = torch.empty(5, 512)
        network = HPNet(skeleton_networks(), labels, frames=8, encoder=encoder)
        text = CLIPTextModelWithProjection(CLIPTextConfig(projection_dim=512))
        ours = {
            **network.state_dict(),
            **{f"text.{name}": tensor for name, tensor in text.state_dict().items()},
        }
        theirs = to_published(ours)
        assert {name: tuple(tensor.shape) for name, tensor in theirs.items()} == shapes
        back = from_published(theirs)
    assert {name: t.shape for name, t in back.items()} == {
        name: t.shape for name, t in ours.items() if name != "labels"
    }


def test_values_survive_the_way_there_and_back(shapes: dict[str, tuple[int, ...]]) -> None:
    block = "visual.transformer.resblocks.3."
    state = published(shapes, block, "visual.proj", "text_projection", "mit.", "GCN2.l1.", "ske_fc2")
    ours = from_published(state)
    assert torch.equal(ours["encoder.projection.weight"], state["visual.proj"].T)
    queries = ours["encoder.tower.encoder.layers.3.message_attn.q_proj.weight"]
    assert torch.equal(queries, state[block + "message_attn.in_proj_weight"][:768])
    assert torch.equal(ours["skeletons.joint_motion.fc.bias"], state["ske_fc2.bias"])
    back = to_published(ours)
    repeated = {"GCN2.fc.weight", "GCN2.fc.bias"}  # never called there
    assert set(back) == set(state) | repeated
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


def test_other_weights_are_refused() -> None:
    with pytest.raises(HeatpoolError, match=r"published HP-Net, they have a tensor prompts\.alpha"):
        from_published({"prompts.alpha": torch.zeros(1)})


@torch.no_grad()
def test_the_integration_of_frames_is_that_of_transformers() -> None:
    install()
    from transformers import XCLIPVisionConfig
    from transformers.models.x_clip.modeling_x_clip import XCLIPMultiframeIntegrationTransformer

    config = XCLIPVisionConfig(
        hidden_size=128, intermediate_size=512, num_hidden_layers=2, num_attention_heads=2, num_frames=4,
        hidden_act="quick_gelu",
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = XCLIPMultiframeIntegrationTransformer(config).eval()
    nn.init.normal_(theirs.position_embedding)
    ours = MultiframeIntegration(4, 128, layers=2).eval()
    ours.load_state_dict(integration_from_xclip(theirs.state_dict()))
    x = torch.randn(3, 4, 128)
    torch.testing.assert_close(ours(x), theirs(x).pooler_output, rtol=0, atol=1e-5)


def test_tokens_equal_the_published_ones(golden: dict[str, np.ndarray]) -> None:
    """With the part of CLIP's vocabulary and merges that these texts can reach."""
    transformers = pytest.importorskip("transformers")
    part = json.loads((GOLDEN / "clip_bpe_five_texts.json").read_text(encoding="utf-8"))
    merges = [tuple(pair.split()) for pair in part["merges"]]
    tokenizer = transformers.CLIPTokenizer(vocab=part["vocab"], merges=merges)
    np.testing.assert_array_equal(tokenise(tokenizer, CLASSES).numpy(), golden["tokens"])
    cut = tokenise(tokenizer, ["drink " * 90], length=77)
    assert cut.shape == (1, 77)
    assert cut[0, -1] == golden["tokens"].max()  # the end is kept


@pytest.mark.slow
@torch.no_grad()
def test_the_whole_network_equals_the_published_one(
    golden: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]
) -> None:
    install()
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    state = from_published(published(shapes, ""))
    text = CLIPTextModelWithProjection(CLIPTextConfig(projection_dim=512)).eval()
    words = {name: tensor for name, tensor in state.items() if name.startswith("text.")}
    text.load_state_dict({name.removeprefix("text."): tensor for name, tensor in words.items()})
    labels = text(input_ids=torch.from_numpy(golden["tokens"])).text_embeds
    assert_close(labels, golden["text_features"])
    encoder = FrameEncoder.from_config(VIT_B16, 512)
    network = HPNet(skeleton_networks(), labels, frames=8, encoder=encoder).eval()
    rest = {name: tensor for name, tensor in state.items() if name not in words}
    network.load_state_dict({**rest, "labels": labels})
    frames = torch.from_numpy(array("hpnet.frames", (2, 8, 3, 224, 224)))
    out = network(skeleton_inputs(), CLIP, SLOT, clips=2, rgb=frames)
    assert_close(out.video, golden["video_features"])
    assert_close(out.refinement, golden["trmm_out"])
    assert_close(out.logits, golden["logits"])
