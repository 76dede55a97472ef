from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from heatpool.classify.scores.fuse import LEAST_CLIPS, FusionWeights, fit_fusion, fuse_scores
from heatpool.classify.scores.scores import ClipScores
from heatpool.pool.errors import HeatpoolError


def scores_of(
    values: np.ndarray, labels: np.ndarray | None = None, ids: tuple[str, ...] | None = None
) -> ClipScores:
    count = len(values)
    return ClipScores(
        clip_ids=ids or tuple(f"c{number}" for number in range(count)),
        scores=values.astype(np.float32),
        labels=np.zeros(count, np.int64) if labels is None else labels,
        class_names=tuple(f"k{k}" for k in range(values.shape[1])),
    )


def test_fused_scores_by_hand() -> None:
    one = ClipScores(("a",), np.array([[0.8, 0.2]], np.float32), np.array([0]), ("x", "y"), "probabilities")
    two = ClipScores(("a",), np.array([[0.1, 0.9]], np.float32), np.array([0]), ("x", "y"), "probabilities")
    fused = fuse_scores({"one": one, "two": two}, {"one": 2.0, "two": 1.0})
    np.testing.assert_allclose(np.exp(fused.scores), [[0.8**2 * 0.1, 0.2**2 * 0.9]], rtol=1e-5)
    assert fused.kind == "logits"


def test_a_useless_stream_gets_little_and_a_misleading_one_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    right = np.eye(3)[labels]
    good = 2 * right + rng.standard_normal((300, 3))
    noise = rng.standard_normal((300, 3))
    fitted = fit_fusion({"good": scores_of(good, labels), "noise": scores_of(noise, labels)})
    assert fitted.weights["good"] > 8 * fitted.weights["noise"]
    against = fit_fusion({"good": scores_of(good, labels), "against": scores_of(-good + noise, labels)})
    assert against.weights["against"] == 0
    assert against.weights["good"] > 0


def test_few_clips_fit_no_weights() -> None:
    """Three val clips on which the better stream happens to be wrong would give it a weight of 0."""
    labels = np.zeros(LEAST_CLIPS, np.int64)
    right = np.tile([2.0, 0.0], (LEAST_CLIPS, 1))
    for count, equal in ((3, True), (LEAST_CLIPS - 1, True), (LEAST_CLIPS, False)):
        ids = tuple(f"c{row}" for row in range(count))
        sets = {
            "wrong": scores_of(-right[:count], labels[:count], ids=ids),
            "right": scores_of(right[:count], labels[:count], ids=ids),
        }
        fitted = fit_fusion(sets)
        assert (fitted.weights == {"wrong": 0.5, "right": 0.5}) is equal
        assert (f"{count} val clips are too few" in fitted.note) is equal
        assert not fit_fusion({"one": sets["right"]}).note


def test_two_streams_that_each_know_half_are_both_used() -> None:
    """Stream one tells class 0 from the rest, stream two tells 1 from 2."""
    labels = np.arange(300) % 3
    one, two = np.zeros((300, 3)), np.zeros((300, 3))
    one[:, 0] = np.where(labels == 0, 4, -4)
    two[:, 1] = np.where(labels == 1, 2, -2)
    sets = {"one": scores_of(one, labels), "two": scores_of(two, labels)}
    fitted = fit_fusion(sets)
    assert fitted.val_top1 == 1.0
    fused = fuse_scores(sets, fitted.weights)
    assert (fused.scores.argmax(1) == labels).all()
    loss = -fused.log_probabilities()[np.arange(300), labels].mean()
    assert fitted.val_loss == pytest.approx(loss, rel=1e-4)


def test_the_fit_is_the_minimum() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 200)
    sets = {
        name: scores_of(np.eye(4)[labels] * s + rng.standard_normal((200, 4)), labels)
        for name, s in (("a", 1), ("b", 2))
    }
    best = fit_fusion(sets)

    def objective(weights: dict[str, float]) -> float:
        logp = fuse_scores(sets, weights).log_probabilities()
        return float(
            -logp[np.arange(200), labels].mean() + 1e-2 * sum((w - 0.5) ** 2 for w in weights.values())
        )

    lowest = objective(dict(best.weights))
    for name in sets:
        for step in (-0.05, 0.05):
            assert objective({**best.weights, name: best.weights[name] + step}) > lowest


@pytest.mark.parametrize("seed", range(6))
def test_the_fit_is_scipys(seed: int) -> None:
    """Up to five streams, good, useless and misleading ones, so that some weights end at zero."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, 80)
    strengths = rng.uniform(-3, 6, rng.integers(1, 6))
    sets = {
        f"s{number}": scores_of(strength * np.eye(6)[labels] + rng.standard_normal((80, 6)), labels)
        for number, strength in enumerate(strengths)
    }
    logs = np.stack([each.log_probabilities() for each in sets.values()])

    def objective(weights: np.ndarray) -> float:
        fused = log_softmax(np.tensordot(weights, logs, 1), axis=1)
        return -fused[np.arange(80), labels].mean() + 1e-2 * ((weights - 1 / len(sets)) ** 2).sum()

    bounds = [(0, None)] * len(sets)
    options = {"ftol": 1e-15, "gtol": 1e-10}
    expected = minimize(objective, np.full(len(sets), 1 / len(sets)), bounds=bounds, options=options)
    found = np.array(list(fit_fusion(sets).weights.values()))
    assert objective(found) <= expected.fun + 1e-12
    np.testing.assert_allclose(found, expected.x, atol=1e-4)


@pytest.mark.parametrize("weight", [1e308, float("nan"), float("inf")])
def test_weights_that_give_no_finite_scores_are_refused(weight: float) -> None:
    with pytest.raises(HeatpoolError, match="fusion weights that give finite scores"):
        fuse_scores({"a": scores_of(np.eye(3))}, {"a": weight})


def test_mismatches_are_refused() -> None:
    values = np.zeros((2, 3))
    with pytest.raises(HeatpoolError, match="score different clips"):
        fit_fusion({"a": scores_of(values), "b": scores_of(values, ids=("c0", "x"))})
    with pytest.raises(HeatpoolError, match="fusion weights are for"):
        fuse_scores({"a": scores_of(values)}, {"b": 1.0})
    with pytest.raises(HeatpoolError, match="cannot fit fusion weights: 1 of 2 clips have no label"):
        fit_fusion({"a": scores_of(values, labels=np.array([0, -1]))})
    with pytest.raises(HeatpoolError, match="at least one stream"):
        fit_fusion({})
    with pytest.raises(ValueError, match="one of them positive"):
        FusionWeights({"a": 0.0}, 0.0, 0.0)
