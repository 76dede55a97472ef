"""The parts of HP-Net's training whose answers are known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from heatpool.classify.data.batches import load_clips, load_splits
from heatpool.classify.data.rgb import StoredCrops
from heatpool.classify.hpnet.architecture import HPNetArchitecture, build_hpnet, skeleton_streams
from heatpool.classify.hpnet.blending import Blend, draw_blend
from heatpool.classify.hpnet.pictures import augment, normalise
from heatpool.classify.hpnet.recipe import HPNetRecipe
from heatpool.classify.hpnet.text import LabelText, load_label_text, save_label_text
from heatpool.classify.networks.graph import HPNET_GRAPH
from heatpool.classify.training.loop import summed_losses
from heatpool.classify.training.recipe import read_recipe
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.jpeg import pack_jpegs
from heatpool.pool.store.reader import FeatureStore
from tests.classify.hpnet.hpnet_cases import TINY, clips_with_rgb, recipe, shape_of
from tests.pool.store.store_cases import make_store
from tests.pool.store.test_rgb import CROPS, EMBEDDINGS, crops, embeddings, rgb_store


def test_the_three_skeleton_inputs_share_no_memory() -> None:
    joint = torch.arange(2 * 3 * 17 * 1, dtype=torch.float32).reshape(2, 3, 17, 1)
    streams = skeleton_streams(joint, HPNET_GRAPH)
    kept = {name: x.clone() for name, x in streams.items()}
    storages = {x.untyped_storage().data_ptr() for x in (joint, *streams.values())}
    assert len(storages) == 4
    for name in streams:
        streams[name].fill_(-1)
        others = [other for other in streams if other != name]
        assert all(torch.equal(streams[other], kept[other]) for other in others)
        streams[name].copy_(kept[name])
    assert torch.equal(kept["joint"], joint)
    assert torch.equal(kept["joint_motion"][:, :-1], torch.full((2, 2, 17, 1), 17.0))
    assert not kept["joint_motion"][:, -1].any()


def test_the_loss_is_the_sum_of_four_cross_entropies() -> None:
    zeros = torch.zeros(2, 4)
    sure = torch.tensor(
        [[50.0, 0, 0, 0], [50, 0, 0, 0]]
    )  # correct for the first clip, wrong by 50 for the second
    heads = {"hpnet": zeros, "joint": zeros, "joint_motion": zeros, "bone": sure}
    loss = summed_losses(heads, torch.tensor([0, 1]))
    assert loss == pytest.approx(3 * np.log(4) + 25)
    mixed = summed_losses(heads, torch.tensor([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]]))
    assert mixed == pytest.approx(3 * np.log(4) + 25)


def test_rates_and_decay_by_group() -> None:
    config = recipe(new_rate=10, skeleton_rate=10_000, text_rate=1000, shared={"learning_rate": 1e-6})
    clips = clips_with_rgb(8)
    model = build_hpnet(config, shape_of(clips))
    optimizer = HPNetArchitecture(config).optimizer(model)
    names = {id(weight): name for name, weight in model.named_parameters()}
    found = {
        names[id(weight)]: (round(group["rate"] / 1e-6), group["weight_decay"])
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    assert set(found) == set(names.values())
    assert found["mit.resblocks.0.linear1.weight"] == (10, 0.01)
    assert found["mit.positional_embedding"] == (10, 0)
    assert found["skeletons.bone.fc.weight"] == (10_000, 0.01)
    assert found["skeletons.bone.fc.bias"] == (10_000, 0)
    assert found["trmm.fc1.0.weight"] == (1000, 0.01)
    assert found["labels"] == (1000, 0)


def test_rates_warm_up_and_fall_to_a_hundredth() -> None:
    config = recipe(shared={"epochs": 10, "warmup_epochs": 2, "learning_rate": 1.0})
    optimizer = torch.optim.AdamW([{"params": [nn.Parameter(torch.zeros(1))], "rate": 100.0}])
    times = ((0, 0.5), (0, 1.0), (4, 1.0), (9, 1.0))  # epoch, share of it that is done
    rates = [HPNetArchitecture(config).set_rate(optimizer, *time) for time in times]
    assert rates == pytest.approx([25, 50, 0.01 + 0.5 * 99.99, 0.01])


def test_learned_texts_are_trained_and_given_ones_are_not() -> None:
    clips = clips_with_rgb(8)
    learned = build_hpnet(TINY, shape_of(clips))
    assert isinstance(learned.labels, nn.Parameter)
    text = LabelText(clips.class_names, torch.ones(3, 16), "a", 0.0)
    given = build_hpnet(recipe(text="a"), shape_of(clips), text=text)
    assert not isinstance(given.labels, nn.Parameter)
    assert torch.equal(given.labels, text.embeddings)
    assert "labels" in given.state_dict()


def test_rgb_for_a_network_without_is_refused() -> None:
    model = build_hpnet(TINY, shape_of(clips_with_rgb(4, rgb=False)))
    with pytest.raises(ValueError, match="expected RGB exactly for a network"):
        model({}, torch.zeros(0), torch.zeros(0), clips=0, rgb=torch.zeros(1, 4, 16))


def test_mixup_mixes_values_and_targets_alike() -> None:
    blend = Blend(partner=torch.tensor([1, 0]), share=0.75)
    assert blend.mix(torch.tensor([[4.0], [8.0]])).tolist() == [[5], [7]]
    assert blend.targets(torch.tensor([0, 2]), 3).tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.75]]


def test_cutmix_takes_a_rectangle_as_large_as_the_partners_share() -> None:
    config = HPNetRecipe(rgb="crops", image="x", mixup=0.0)
    pictures = torch.stack([torch.zeros(1, 3, 200, 200), torch.ones(1, 3, 200, 200)])
    for seed in range(5):
        blend = draw_blend(config, 2, np.random.default_rng(seed))
        assert blend is not None
        blend = Blend(torch.tensor([1, 0]), blend.share, blend.box)
        mixed = blend.pictures(pictures)
        assert mixed[0].mean() == pytest.approx(1 - blend.share, abs=0.02)
        assert mixed[1].mean() == pytest.approx(blend.share, abs=0.02)
    assert pictures[0].max() == 0  # the input is left alone


def test_nothing_is_blended_without_mixup_and_cutmix_needs_pictures() -> None:
    random = np.random.default_rng(0)
    assert draw_blend(TINY, 4, random) is None
    assert draw_blend(recipe(cutmix=1.0), 4, random) is None
    blend = draw_blend(recipe(cutmix=1.0, mixup=1.0), 4, random)
    assert blend is not None
    assert blend.box is None


def test_augmentation_mirrors_and_greys() -> None:
    pictures = torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8)
    pictures[..., 0, 0] = 200  # a red left edge
    random = np.random.default_rng(0)
    flipped = augment(pictures, recipe(flip=1.0, colour_jitter=0.0, grey=0.0), random)
    assert flipped[0, 0, 0, :, 0].tolist() == [0, 0, 0, 200]
    grey = augment(pictures, recipe(flip=0.0, colour_jitter=0.0, grey=1.0), random)
    assert grey[0, 1, 2, 0].tolist() == pytest.approx([200 * 0.299] * 3)
    level = torch.full((1, 1, 4, 4, 3), 100, dtype=torch.uint8)
    jittered = augment(level, recipe(flip=0.0, colour_jitter=1.0, grey=0.0), random)
    assert 60 <= float(jittered.min()) <= float(jittered.max()) <= 140  # brightness alone moves even grey
    torch.testing.assert_close(jittered[..., 0], jittered[..., 1])  # hue and saturation leave grey grey
    assert normalise(pictures).shape == (1, 2, 3, 4, 4)
    assert normalise(pictures)[0, 0, 0, 0, 1] == pytest.approx(-0.485 / 0.229)


def test_stored_crops_decode_and_missing_ones_are_black() -> None:
    held = StoredCrops([pack_jpegs(crops(3)), np.zeros((2, 8), np.uint8)], crop_px=48)
    pictures = held[torch.tensor([1, 0])].pictures()
    assert pictures.shape == (2, 2, 48, 48, 3)
    assert not pictures[0].any()
    np.testing.assert_allclose(pictures[1].int(), crops(3), atol=2)


def test_rgb_comes_in_the_order_of_the_rows(tmp_path: Path) -> None:
    rows = np.array([10, 1, 6])
    store = rgb_store(tmp_path / "embeddings.zarr", EMBEDDINGS)
    loaded = load_splits(store, {"train": rows}, rgb="embeddings")["train"]
    assert loaded.clip_ids == store.clips.clip_ids(rows)
    assert isinstance(loaded.rgb, torch.Tensor)
    np.testing.assert_array_equal(loaded.rgb, [embeddings(row) for row in rows])
    assert loaded.source.items() >= {"rgb": "clip", "rgb_frames": 3, "rgb_weights_sha256": "cd" * 32}.items()
    assert torch.equal(loaded.subset(np.array([2, 0])).rgb, loaded.rgb[[2, 0]])
    store = rgb_store(tmp_path / "crops.zarr", CROPS)
    held = load_clips(store, rows, rgb="crops").rgb
    assert isinstance(held, StoredCrops)
    pictures = held.pictures()
    np.testing.assert_allclose(pictures.int(), [crops(row) for row in rows], atol=2)
    with pytest.raises(HeatpoolError, match=r"expected RGB embeddings in .*, it has crops"):
        load_clips(store, rows, rgb="embeddings")


def test_a_store_without_rgb_says_so(tmp_path: Path) -> None:
    make_store(tmp_path / "plain.zarr")
    store = FeatureStore.open(tmp_path / "plain.zarr")
    rows = np.array([1])
    assert load_clips(store, rows, rgb="none").rgb is None
    with pytest.raises(
        HeatpoolError, match=r"expected RGB crops in .*, it has none; extract with --rgb crops"
    ):
        load_clips(store, rows, rgb="crops")


def test_label_texts_come_back_from_their_file(tmp_path: Path) -> None:
    text = LabelText(("a b", "ü"), torch.tensor([[1.0, 2], [3, 4]]), "some/clip", 4.6)
    save_label_text(tmp_path / "text.safetensors", text)
    back = load_label_text(tmp_path / "text.safetensors")
    assert (back.class_names, back.source, back.logit_scale) == (text.class_names, text.source, 4.6)
    assert torch.equal(back.embeddings, text.embeddings)
    (tmp_path / "text.safetensors").write_bytes(b"no")
    with pytest.raises(HeatpoolError, match="cannot read the class texts"):
        load_label_text(tmp_path / "text.safetensors")


def test_bad_recipes_are_refused() -> None:
    with pytest.raises(HeatpoolError, match="image must be given for crops and only for them"):
        recipe(rgb="crops")
    with pytest.raises(HeatpoolError, match="optimizer must be adamw"):
        recipe(shared={"optimizer": "sgd"})
    with pytest.raises(HeatpoolError, match=r"expected a field of the recipe, got 'no'"):
        read_recipe(HPNetRecipe(), {"no": 1, "shared": {}})
